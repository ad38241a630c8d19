package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/editlock/editlock/internal/browser"
)

// insecure is this machine under an address that a browser does not count as secure: there the Web Locks API does not exist.
func insecure(url string) string { return strings.Replace(url, "127.0.0.1", "0.0.0.0", 1) }

func (s *site) plain(name string) string { return insecure(s.url) + "/article?as=" + name }

func (s *site) visitPlain(name, state string) *browser.Page {
	s.t.Helper()
	tab := chrome.Page(s.t)
	tab.Open(s.plain(name))
	if tab.Eval(`isSecureContext || "locks" in navigator`) != false {
		s.t.Fatal("this is a secure page")
	}
	tab.Wait(is(state))
	return tab
}

// A page that is not secure acquires, waits, resumes after a reload, and lets the next one in when it leaves.
// Faults: B5.
func TestInsecurePage(t *testing.T) {
	t.Parallel()
	s := newSite(t, 30*time.Second)
	ana, ben := s.visitPlain("Ana", "held"), s.visitPlain("Ben", "waiting")
	before := s.lockOf(ana)
	for range 2 {
		ana.Eval(`void (window.old = true)`)
		ana.Reload()
		ana.Wait(`!window.old && ` + is("held"))
		if after := s.lockOf(ana); after.Session != before.Session || after.Fence != before.Fence {
			t.Fatalf("session %s with fence %d, was %s with %d", after.Session, after.Fence, before.Session, before.Fence)
		}
	}
	ben.Reload()
	ben.Wait(is("waiting") + ` && ` + lock + `.lock.snapshot.position === 1`)
	replaceText(ana, "Ana saved this.")
	ana.Click(`document.querySelector("[data-edit-lock-done]")`)
	ben.Wait(is("held"))
	if text := ben.Text(textarea + `.value`); text != "Ana saved this." {
		t.Errorf("let in with %q", text)
	}
}

// The tabs ask one another whose session it is. Faults: B6, B7.
func TestInsecureDuplicate(t *testing.T) {
	t.Parallel()
	s := newSite(t, 30*time.Second)
	first := s.visitPlain("Ana", "held")
	before := s.lockOf(first)
	second := first.Duplicate()
	second.Wait(is("waiting"))
	second.Wait(says("another tab"))
	second.Eval(`void (window.old = true)`)
	second.Reload()
	second.Wait(`!window.old && ` + is("waiting") + ` && ` + lock + `.lock.snapshot.position === 1`)
	first.Eval(`void (window.old = true)`)
	first.Reload() // with the duplicate there
	first.Wait(`!window.old && ` + is("held"))
	second.Close()
	if after := s.lockOf(first); after.Session != before.Session || after.Fence != before.Fence {
		t.Errorf("session %s with fence %d, was %s with %d", after.Session, after.Fence, before.Session, before.Fence)
	}
}

// A tab that is frozen or busy cannot answer: a duplicate of it goes on with the session. Back again, the first one is
// told so, keeps what was typed in it, and lets the other one go on. Faults: B2, B6, B7.
func TestInsecureDuplicateOfSilentTab(t *testing.T) {
	t.Parallel()
	for name, thaw := range map[string]string{"busy": "", "frozen": `document.dispatchEvent(new Event("resume"))`} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 30*time.Second)
			hangs, goOn := make(chan struct{}), make(chan struct{})
			slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(hangs)
				select {
				case <-goOn:
				case <-r.Context().Done():
				}
				w.Header().Set("Access-Control-Allow-Origin", "*")
			}))
			defer slow.Close()
			hang := insecure(slow.URL)
			first := s.visitPlain("Ana", "held")
			replaceText(first, "Ana did not save this.")
			before := s.lockOf(first)
			stored := first.Text(`JSON.stringify(Object.entries(sessionStorage))`)
			second := first.Tab() // of a process of its own, unlike one that the first has opened
			second.Open(strings.Replace(s.plain("Ana"), "/article", "/nothing", 1))
			second.Eval(`void ` + stored + `.forEach(([key, value]) => sessionStorage.setItem(key, value))`)

			// Nothing runs in the first tab while it waits for this answer.
			first.Eval(`void setTimeout(() => { const q = new XMLHttpRequest(); q.open("GET", "` + hang + `", false); q.send(); ` + thaw + `})`)
			<-hangs
			second.Open(s.plain("Ana"))
			second.Wait(is("held"))
			if after := s.lockOf(second); after.Session != before.Session || after.Fence != before.Fence {
				t.Errorf("session %s with fence %d, was %s with %d", after.Session, after.Fence, before.Session, before.Fence)
			}
			close(goOn)
			first.Wait(is("lost"))
			first.Wait(says("The editing has moved to another tab of yours"))
			if first.Eval(content+`.inert`) != true || first.Text(textarea+`.value`) != "Ana did not save this." {
				t.Error("the first tab can be edited, or has lost its text")
			}
			if second.Eval(is("held")) != true {
				t.Error("the second tab has lost it")
			}
			second.Eval(`void (window.old = true)`)
			second.Reload() // the first tab does not say that the session is its own
			second.Wait(`!window.old && ` + is("held"))
			if after := s.lockOf(second); after.Session != before.Session || after.Fence != before.Fence {
				t.Errorf("reloaded: session %s with fence %d, was %s with %d", after.Session, after.Fence, before.Session, before.Fence)
			}
			first.Click(button("move"))
			first.Wait(is("held"))
			second.Wait(is("lost"))
		})
	}
}

// Two tabs with one copy of a session start at the same moment, as when a browser restores its tabs: one goes on with
// it, the other one waits. Faults: B6.
func TestInsecureTabsAtTheSameMoment(t *testing.T) {
	t.Parallel()
	s := newSite(t, 30*time.Second)
	// The page comes to both when both have asked for it.
	var waiting atomic.Int32
	both := make(chan struct{})
	site, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(site); p.Out.Host = p.In.Host }}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("tab") != "" {
			if waiting.Add(1) == 2 {
				close(both)
			}
			select {
			case <-both:
			case <-r.Context().Done():
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.CloseClientConnections)
	s.url = front.URL

	first := s.visitPlain("Ana", "held")
	before := s.lockOf(first)
	stored := first.Text(`JSON.stringify(Object.entries(sessionStorage))`)
	second := first.Tab()
	second.Open(insecure(s.url) + "/nothing")
	second.Eval(`void ` + stored + `.forEach(([key, value]) => sessionStorage.setItem(key, value))`)
	for i, tab := range []*browser.Page{first, second} {
		tab.BeforeScripts(`window.states = []; addEventListener("edit-lock-change", e => states.push(e.detail.state))`)
		tab.Eval(`void (window.old = true, setTimeout(() => location.assign("/article?as=Ana&tab=` + strconv.Itoa(i+1) + `"), 0))`)
	}
	for _, tab := range []*browser.Page{first, second} {
		tab.Wait(`!window.old && (` + is("held") + ` || ` + is("waiting") + `)`)
	}
	winner, loser := first, second
	if first.Text(lockState) != "held" {
		winner, loser = second, first
	}
	winner.Wait(is("held"))
	loser.Wait(is("waiting"))
	loser.Wait(says("You are editing this in another tab"))
	if states := loser.Text(`states.join()`); strings.Contains(states, "held") {
		t.Errorf("both went on with the session: %s", states)
	}
	if after := s.lockOf(winner); after.Session != before.Session || after.Fence != before.Fence {
		t.Errorf("session %s with fence %d, was %s with %d", after.Session, after.Fence, before.Session, before.Fence)
	}
}
