package web_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/guard"
	"github.com/editlock/editlock/internal/browser"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store/sqlite"
	"github.com/editlock/editlock/web"
	"github.com/editlock/editlock/wire"
)

// site is an application with one article and the real locks: what time does to a lock, only the real ones show.
type site struct {
	t        *testing.T
	url      string
	manager  *editlock.Manager
	verifier *guard.Verifier
	access   *wire.Key

	mu      sync.Mutex
	text    string
	version int
	fence   int64 // of the last save
}

func newSite(t *testing.T, ttl time.Duration, change ...func(*server.Options)) *site {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	access, err := wire.ParseKey("", []byte("NLBzPSjXVcXwc1YDYJPeJ6pXWm2q0w8iT5E7vRr1uGkHcZ0fQyLb9mDaSx3oKtVn"))
	must(err)
	signing, err := wire.ParseKey("", []byte("qT7mVw2kXzB4nJ8sRfY1cH6gLpD0aEu9QiZ3xWvKtMoN5bGyUjSrCdPhFeAlOi0x"))
	must(err)
	verifier, err := guard.NewVerifier(signing)
	must(err)
	st, err := sqlite.Open(filepath.Join(t.TempDir(), "locks.db"), sqlite.Options{})
	must(err)
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	m, err := editlock.Open(context.Background(), st, editlock.Config{TTL: ttl, Logger: logger})
	must(err)
	options := server.Options{
		Access: server.Access{Keys: wire.Keys{access}, Issuer: "app", Audience: "editlock"}, LockKey: signing, Logger: logger,
	}
	for _, f := range change {
		f(&options)
	}
	locks, err := server.New(m, options)
	must(err)
	s := &site{t: t, manager: m, verifier: verifier, access: access, text: "It snowed all night.", version: 1}
	mux := http.NewServeMux()
	mux.Handle("/editlock/v1/", http.StripPrefix("/editlock", locks))
	mux.Handle("/editlock/", web.Handler())
	mux.HandleFunc("GET /token", s.token)
	mux.HandleFunc("GET /article", s.show)
	mux.HandleFunc("POST /save", s.save)
	srv := httptest.NewServer(noSockets(mux))
	s.url = srv.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := locks.Close(ctx); err != nil {
			t.Error(err)
		}
		srv.CloseClientConnections()
		srv.Close()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// token believes whoever says who they are.
func (s *site) token(w http.ResponseWriter, r *http.Request) {
	user := r.FormValue("as")
	token, err := s.access.Sign("JWT", map[string]any{
		"iss": "app", "aud": "editlock", "sub": user, "name": user, "exp": time.Now().Add(time.Hour).Unix(), "rights": []string{"edit:article/*"},
	})
	if err != nil {
		s.t.Error(err)
	}
	_, _ = io.WriteString(w, token)
}

func (s *site) show(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	as := "?as=" + r.FormValue("as")
	body := strings.NewReplacer("/save", "/save"+as, "It snowed all night.", html.EscapeString(s.text)).Replace(form)
	_, _ = io.WriteString(w, article(fmt.Sprintf(`version="%d" auth-url="/token%s"`, s.version, as), body))
}

func (s *site) save(w http.ResponseWriter, r *http.Request) {
	lock, err := s.verifier.Verify(r.FormValue("lock_token"), "article/42")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || lock.Fence < s.fence {
		http.Error(w, fmt.Sprint("refused: ", err), http.StatusConflict)
		return
	}
	s.text, s.fence = r.FormValue("text"), lock.Fence
	s.version++
	http.Redirect(w, r, "/article?as="+r.FormValue("as"), http.StatusSeeOther)
}

// visit opens the article in a tab of somebody who shares nothing with the others.
func (s *site) visit(name, state string) *browser.Page {
	s.t.Helper()
	tab := chrome.Page(s.t)
	tab.Open(s.url + "/article?as=" + name)
	tab.Wait(is(state))
	return tab
}

// lockOf is what a page that holds would prove at a save.
func (s *site) lockOf(tab *browser.Page) wire.Lock {
	s.t.Helper()
	tab.Wait(`window.proof = ` + lock + `.lock.token()`)
	lock, err := s.verifier.Verify(tab.Text(`window.proof`), "article/42")
	if err != nil {
		s.t.Fatal(err)
	}
	return lock
}

func (s *site) holds(l wire.Lock) error {
	_, err := s.manager.Check(s.t.Context(), "article/42", l.Session, l.Fence)
	return err
}

// grantedAt is when the lock was granted, as the history has it.
func (s *site) grantedAt(l wire.Lock) time.Time {
	s.t.Helper()
	entries, _, err := s.manager.History(s.t.Context(), "article/42", "", 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Granted != nil && e.Granted.Fence == l.Fence {
			return e.At
		}
	}
	s.t.Fatalf("no entry for fence %d: %+v", l.Fence, entries)
	return time.Time{}
}

func replaceText(tab *browser.Page, text string) {
	tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
	tab.Type(text)
}

// The process of the holder's tab dies, and with it the page, which can say nothing any more: whoever waits is let in
// with what was saved last. Loaded again, the tab stands in line like anybody.
// Faults: B8.
func TestCrashedTabGivesWay(t *testing.T) {
	t.Parallel()
	const ttl = 10 * time.Second
	s := newSite(t, ttl)
	ana, ben := s.visit("Ana", "held"), s.visit("Ben", "waiting")
	replaceText(ana, "Ana saved this.")
	ana.Eval(`void (window.old = true, document.getElementById("f").requestSubmit())`)
	ana.Wait(`!window.old && ` + is("held"))
	replaceText(ana, "Ana did not save this.")
	first := s.lockOf(ana)

	start := time.Now()
	ana.Crash()
	if err := s.holds(first); err != nil {
		t.Fatalf("a crash is no release: %v", err)
	}
	ben.Wait(is("held"))
	second := s.lockOf(ben)
	granted := s.grantedAt(second).Sub(start)
	t.Logf("the next one had it after %v, and was in after %v (TTL %v)",
		granted.Round(100*time.Millisecond), time.Since(start).Round(100*time.Millisecond), ttl)
	if granted > ttl+5*time.Second {
		t.Errorf("the next one had it only after %v", granted)
	}
	if granted < ttl-2750*time.Millisecond { // the last heartbeat before the crash
		t.Errorf("the next one had it after %v already: that was no silence", granted)
	}
	if got := ben.Text(textarea + `.value + "|" + ` + lock + `.getAttribute("version")`); got != "Ana saved this.|2" {
		t.Errorf("let in with %q", got)
	}
	if second.Fence <= first.Fence {
		t.Errorf("fence %d after %d", second.Fence, first.Fence)
	}

	ana.Reload()
	ana.Wait(is("waiting") + ` && ` + content + `.inert`)
	ana.Wait(says("Ben is editing this"))
	if position := ana.Eval(lock + `.lock.snapshot.position`); position != 1.0 {
		t.Errorf("Ana's place is %v", position)
	}
	if err := s.holds(first); err == nil {
		t.Error("the lock of the crashed tab counts again")
	}
	if err := s.holds(second); err != nil || ben.Text(lockState) != "held" {
		t.Errorf("Ben lost it to the crashed tab: %v", err)
	}
	replaceText(ben, "Ben saved this.")
	ben.Click(`document.querySelector("[data-edit-lock-done]")`)
	ana.Wait(is("held"))
	if text := ana.Text(textarea + `.value`); text != "Ben saved this." {
		t.Errorf("let in with %q", text)
	}
}

// A tab that crashed, or was discarded by the browser for want of memory, and is loaded again in time goes on with its lock, as after any reload.
// Faults: B2, B8.
func TestCrashedTabReloadedInTimeResumes(t *testing.T) {
	t.Parallel()
	s := newSite(t, 60*time.Second)
	ana, ben := s.visit("Ana", "held"), s.visit("Ben", "waiting")
	before := s.lockOf(ana)
	ana.Crash()
	ana.Reload()
	ana.Wait(is("held"))
	if after := s.lockOf(ana); after.Session != before.Session || after.Fence != before.Fence {
		t.Errorf("session %s with fence %d, was %s with %d", after.Session, after.Fence, before.Session, before.Fence)
	}
	if state := ben.Text(lockState); state != "waiting" {
		t.Errorf("Ben is %s", state)
	}
}
