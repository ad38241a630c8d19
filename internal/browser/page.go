package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Page is one tab. A failure of any of its methods ends the test. It is used by one goroutine at a time.
type Page struct {
	t    testing.TB
	ctx  context.Context
	stop context.CancelFunc
}

func open(t testing.TB, parent context.Context, options ...chromedp.ContextOption) *Page {
	t.Helper()
	ctx, stop := chromedp.NewContext(parent, options...)
	t.Cleanup(stop)
	p := &Page{t: t, ctx: ctx, stop: stop}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			text := e.ExceptionDetails.Text
			if e.ExceptionDetails.Exception != nil {
				text += " " + e.ExceptionDetails.Exception.Description
			}
			t.Logf("page: %s", text)
		case *runtime.EventConsoleAPICalled:
			for _, arg := range e.Args {
				t.Logf("page %s: %s%s", e.Type, arg.Value, arg.Description)
			}
		}
	})
	if err != nil {
		t.Fatalf("no tab: %v", err)
	}
	return p
}

// person is the browser context of the tab.
func (p *Page) person() cdp.BrowserContextID { return chromedp.FromContext(p.ctx).BrowserContextID }

// do runs an action within the time that anything may take.
func do(p *Page, what string, action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, action); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

func call[P, R any](p *Page, what string, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	return result
}

// Open goes to an address and waits until it is loaded.
func (p *Page) Open(url string) {
	p.t.Helper()
	do(p, "open "+url, chromedp.Navigate(url))
}

// Reload loads the page again, as a person would.
func (p *Page) Reload() {
	p.t.Helper()
	do(p, "reload", chromedp.Reload())
}

// Back goes back in the history of the tab.
func (p *Page) Back() {
	p.t.Helper()
	p.Eval(`void setTimeout(() => history.back(), 0)`)
}

// Eval runs an expression in the page, waits for it if it is a promise, and returns its value as JSON gives it: nil,
// bool, float64, string, []any or map[string]any.
func (p *Page) Eval(expression string) any {
	p.t.Helper()
	value, err := p.try(expression)
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// Text is Eval for an expression that gives a string.
func (p *Page) Text(expression string) string {
	p.t.Helper()
	text, ok := p.Eval(expression).(string)
	if !ok {
		p.t.Fatalf("%s gives no string", expression)
	}
	return text
}

// gesture makes a script count as something that a person did.
func gesture(params *runtime.EvaluateParams) { params.UserGesture = &yes }

var yes = true

func (p *Page) try(expression string) (any, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	wrapped := fmt.Sprintf("(async () => { const v = await (%s\n); return v === undefined ? null : v })()", expression)
	return chromedp.Run(ctx, chromedp.Evaluate[any](wrapped, chromedp.EvalAwaitPromise, gesture))
}

// Wait waits until the expression is true, over navigations too.
func (p *Page) Wait(expression string) {
	p.t.Helper()
	p.waitUntil(expression, time.Now().Add(patience))
}

func (p *Page) waitUntil(expression string, deadline time.Time) {
	p.t.Helper()
	var last any
	var err error
	for {
		if last, err = p.try("Boolean(" + expression + "\n)"); err == nil && last == true {
			return
		}
		if time.Now().After(deadline) || p.ctx.Err() != nil {
			state, _ := p.try(`(() => { const e = document.querySelector("edit-lock");
				return JSON.stringify({url: location.href, lock: e?.lock?.snapshot, bar: e?.shadowRoot?.querySelector(".row")?.innerText}) })()`)
			p.t.Fatalf("never true: %s (%v)\npage: %v", expression, err, state)
		}
		pause()
	}
}

// Type types text at the focus with real key events.
func (p *Page) Type(text string) {
	p.t.Helper()
	do(p, "type", chromedp.KeyEvent(text))
}

// Press presses one key, such as "s", with modifiers held down.
func (p *Page) Press(key string, modifiers ...chromedp.Modifier) {
	p.t.Helper()
	do(p, "press "+key, chromedp.KeyEvent(key, chromedp.KeyModifiers(modifiers...)))
}

// Keys with a name.
const (
	Enter = kb.Enter
	Tab   = kb.Tab
	Ctrl  = chromedp.ModifierCtrl
)

// Click clicks in the middle of the element that the expression gives, in a shadow root too, with a real mouse event.
// An element that moves, or is covered, is waited for.
func (p *Page) Click(expression string) {
	p.t.Helper()
	look := `(() => { const e = ` + expression + `; e.scrollIntoView({block: "nearest"}); const r = e.getBoundingClientRect();
		const x = r.x + r.width / 2, y = r.y + r.height / 2; let hit = document.elementFromPoint(x, y);
		for (let in_; (in_ = hit?.shadowRoot?.elementFromPoint(x, y)) && in_ !== hit;) hit = in_;
		return [x, y, e === hit || e.contains(hit) ? 1 : 0] })()`
	var at [3]float64
	for deadline := time.Now().Add(patience); ; pause() {
		box, _ := json.Marshal(p.Eval(look))
		var now [3]float64
		if err := json.Unmarshal(box, &now); err != nil {
			p.t.Fatalf("click %s: %v", expression, err)
		}
		if now == at && now[2] > 0 {
			break
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("click: %s does not come to rest: %v", expression, now)
		}
		at = now
	}
	do(p, "click "+expression, chromedp.MouseClickXY(at[0], at[1]))
}

// Screenshot writes what the tab shows, as PNG.
func (p *Page) Screenshot(file string) {
	p.t.Helper()
	shot := call(p, "screenshot", page.CaptureScreenshot, page.CaptureScreenshotParams{})
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, shot.Data, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Freeze stops all scripts and timers of the tab, as browsers do with tabs in the background; Thaw lets them go on.
func (p *Page) Freeze() {
	p.t.Helper()
	call(p, "freeze", page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: page.SetWebLifecycleStateStateFrozen})
}

// Thaw ends Freeze.
func (p *Page) Thaw() {
	p.t.Helper()
	call(p, "thaw", page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: page.SetWebLifecycleStateStateActive})
}

// Hide makes the tab hidden, as behind another one; Show shows it again.
func (p *Page) Hide() {
	p.t.Helper()
	p.window(browser.WindowStateMinimized)
}

// Show ends Hide.
func (p *Page) Show() {
	p.t.Helper()
	p.window(browser.WindowStateNormal)
}

func (p *Page) window(state browser.WindowState) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	id := chromedp.FromContext(p.ctx).Target.TargetID
	window, err := chromedp.CallBrowser(ctx, browser.GetWindowForTarget, browser.GetWindowForTargetParams{TargetID: id})
	if err != nil {
		p.t.Fatalf("window: %v", err)
	}
	_, err = chromedp.CallBrowser(ctx, browser.SetWindowBounds, browser.SetWindowBoundsParams{
		WindowID: window.WindowID, Bounds: &browser.Bounds{WindowState: state},
	})
	if err != nil {
		p.t.Fatalf("window %s: %v", state, err)
	}
}

// Offline cuts the tab off from the network, or connects it again, and tells the page so.
func (p *Page) Offline(offline bool) {
	p.t.Helper()
	call(p, "network", network.Enable, network.EnableParams{})
	call(p, "offline", network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{DownloadThroughput: -1, UploadThroughput: -1, Offline: offline}},
	})
	call(p, "offline", network.OverrideNetworkState, network.OverrideNetworkStateParams{
		Offline: offline, DownloadThroughput: -1, UploadThroughput: -1,
	})
}

// Look says how the page is to be shown.
type Look struct {
	Width, Height int64
	Scale         float64
	Dark          bool
}

// Look shows the page in a certain size, and dark or light.
func (p *Page) Look(look Look) {
	p.t.Helper()
	if look.Width > 0 {
		call(p, "size", emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: look.Width, Height: look.Height, DeviceScaleFactor: look.Scale,
		})
	}
	scheme := "light"
	if look.Dark {
		scheme = "dark"
	}
	call(p, "scheme", emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// BeforeScripts runs a script in every document of the tab from now on, before the page's own.
func (p *Page) BeforeScripts(source string) {
	p.t.Helper()
	call(p, "script", page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: source})
}

// Close closes the tab like a person: the page gets its pagehide.
func (p *Page) Close() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	_, _ = chromedp.Call(ctx, page.Close, cdp.Empty{})
	p.stop()
}

// Crash ends the tab's process as a fault in it would: the page gets no chance to say anything. It returns when the
// browser has noticed. Until Reload or Open the tab shows an error and answers nothing.
func (p *Page) Crash() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	crashed := make(chan struct{}, 1)
	err := chromedp.Listen(ctx, func(event any) {
		if _, ok := event.(*inspector.EventTargetCrashed); ok {
			crashed <- struct{}{}
		}
	})
	if err != nil {
		p.t.Fatalf("crash: %v", err)
	}
	go func() { _, _ = chromedp.Call(ctx, page.Crash, cdp.Empty{}) }() // which nothing is left to answer
	select {
	case <-crashed:
	case <-ctx.Done():
		p.t.Fatal("the tab does not crash")
	}
}
