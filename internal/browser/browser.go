// Package browser drives a real Chromium for tests: several people (contexts, with cookies and storage of their own),
// several tabs of each, and what happens to tabs: reloaded, duplicated, hidden, frozen, offline, crashed.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience is how long anything may take on a loaded machine before a test fails.
const patience = 30 * time.Second

// Browser is one running Chromium. Its methods may be called by several goroutines.
type Browser struct {
	ctx context.Context
	// Stop ends it, with all its tabs.
	Stop func()
}

// Launch starts Chromium with an empty profile, and stops it when the test ends. A machine without Chromium fails the
// test, and says what to install.
func Launch(t testing.TB) *Browser {
	t.Helper()
	b, err := Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	return b
}

// Start starts Chromium for all tests of a package, from TestMain, with an empty directory for its profile.
func Start(profile string) (*Browser, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, errors.New("these tests need a real browser: apt-get install chromium")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.WindowSize(1000, 720), chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("password-store", "basic"), chromedp.Flag("force-color-profile", "srgb"),
		// What begins with "WebUI", "InitialWebUI" and "Preload" draws parts of a window that nobody sees, each in a process of its own: as much
		// work as all our pages.
		chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter,"+
			"WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIReloadButton,InitialWebUI,PreloadTopChromeWebUI"),
	}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-default-apps", "disable-extensions", "disable-breakpad",
		"disable-dev-shm-usage", "disable-popup-blocking", "hide-scrollbars", "use-mock-keychain",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	b := &Browser{ctx: ctx, Stop: func() { stop(); stopAllocator() }}
	// The browser lives as long as the context of its first action, so that one has no deadline of its own.
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(ctx, chromedp.Navigate("about:blank")) }()
	select {
	case err = <-started:
	case <-time.After(patience):
		err = errors.New("it does not start in time")
	}
	if err != nil {
		b.Stop()
		return nil, fmt.Errorf("chromium: %w", err)
	}
	return b, nil
}

// Page opens a tab of a new person: nothing is shared with the other pages of the browser.
func (b *Browser) Page(t testing.TB) *Page {
	t.Helper()
	return open(t, b.ctx, chromedp.WithNewBrowserContext())
}

// Tab opens another tab of the same person, empty.
func (p *Page) Tab() *Page {
	p.t.Helper()
	return open(p.t, p.ctx)
}

// Duplicate opens another tab of the same person with the same address and a copy of this tab's session storage, as
// "Duplicate tab" does.
func (p *Page) Duplicate() *Page {
	p.t.Helper()
	known := map[target.ID]bool{}
	for _, info := range p.targets() {
		known[info.TargetID] = true
	}
	p.Eval(`void window.open(location.href, "_blank")`)
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		for _, info := range p.targets() {
			if info.Type == "page" && !known[info.TargetID] && info.BrowserContextID == p.person() {
				return open(p.t, p.ctx, chromedp.WithTargetID(info.TargetID))
			}
		}
		pause()
	}
	p.t.Fatal("the duplicate did not open")
	return nil
}

func (p *Page) targets() []*target.Info {
	p.t.Helper()
	all, err := chromedp.Targets(p.ctx)
	if err != nil {
		p.t.Fatalf("list of tabs: %v", err)
	}
	return all
}

// pause waits for the next look at a condition: a page can be asked, but does not call.
func pause() { <-time.After(15 * time.Millisecond) }
