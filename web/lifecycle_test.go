package web_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// opened has a page that holds article/42 with the given attributes.
func opened(t *testing.T, attributes string) (*peer, string) {
	p := newPeer(t)
	return p, p.page("/article", article(attributes, form))
}

func fence(p *peer) (f int64) {
	p.do(func() { f = p.thing("article/42").fence })
	return f
}

// "Save and close": the page after a redirect releases at once, also when it is the form again.
func TestSaveAndCloseReleases(t *testing.T) {
	p, url := opened(t, "")
	p.serve("/save", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/article", http.StatusSeeOther) })
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	tab.Click(`document.querySelector("[data-edit-lock-done]")`)
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
	tab.Wait(is("watching"))
}

// Faults: B6, B7. A duplicated tab is a session of its own, and neither takes the other's.
func TestDuplicatedTab(t *testing.T) {
	p, url := opened(t, "")
	first := chrome.Page(t)
	first.Open(url)
	first.Wait(is("held"))
	before := fence(p)
	second := first.Duplicate()
	second.Wait(is("waiting"))
	second.Wait(says("another tab"))
	p.do(func() {
		if len(p.sessions) != 2 || p.thing("article/42").fence != before {
			t.Errorf("%d sessions, fence %d, was %d", len(p.sessions), p.thing("article/42").fence, before)
		}
	})
	second.Reload()
	second.Wait(is("waiting"))
	p.do(func() {
		if len(p.sessions) != 2 {
			t.Errorf("%d sessions after the duplicate was loaded again", len(p.sessions))
		}
	})
	second.Close()
	p.wait("a bye of the second", func() bool { return p.byes == 2 })
	first.Wait(is("held"))
	if fence(p) != before {
		t.Error("closing the duplicate freed the first tab's lock")
	}
}

// Frames of one origin share the session storage of their tab, and each has its own session, after a reload too.
func TestFramesKeepTheirOwn(t *testing.T) {
	p := newPeer(t)
	p.page("/one", article("", form))
	p.page("/two", `<!doctype html><script type="module" src="/editlock/editlock.js"></script><edit-lock resource="article/7">`+form+`</edit-lock>`)
	url := p.page("/frames", `<!doctype html><iframe src="/one"></iframe><iframe src="/two"></iframe>`)
	both := `frames.length === 2 && Array.from({length: 2}, (_, i) => frames[i]).every(f => f.document.querySelector("edit-lock")?.lock?.snapshot.state === "held")`
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(both)
	var before []int64
	p.do(func() { before = []int64{p.thing("article/42").fence, p.thing("article/7").fence} })
	tab.Reload()
	tab.Wait(both)
	p.do(func() {
		if after := []int64{p.thing("article/42").fence, p.thing("article/7").fence}; !slices.Equal(before, after) || len(p.sessions) != 2 {
			t.Errorf("%d sessions, fences %v, were %v", len(p.sessions), after, before)
		}
	})
}

// Faults: B2. Back from being frozen the page is read-only at once, and asks, before anything can be typed or saved.
func TestThawedPageAsksFirst(t *testing.T) {
	p, url := opened(t, "")
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	before := fence(p)
	hellos := p.count("hello")
	tab.Eval(`(() => { window.log = []; ` + lock + `.lock.subscribe(s => log.push(s.state + (s.editable ? "+" : "-"))) })()`)
	p.do(func() { p.refuse["hello"] = message{"code": "unavailable"} })
	tab.Freeze()
	tab.Thaw()
	tab.Wait(`window.log[0] === "unsure-"`)
	if tab.Eval(content+`.inert`) != true {
		t.Error("it can be edited before the server was asked")
	}
	if got := tab.Eval(lock + `.lock.token() + " " + ` + lock + `.permit()`); got != "null later" {
		t.Errorf("it can be saved before the server was asked: %v", got)
	}
	p.do(func() { delete(p.refuse, "hello") })
	p.cut(1012)
	tab.Wait(is("held"))
	if p.count("hello") == hellos || fence(p) != before {
		t.Errorf("resumed: %v, fence %d, was %d", p.said(), fence(p), before)
	}
}

// Frozen for so long that another has it: the page says so, and the text is kept. Faults: B2, B8.
func TestThawedPageHasLost(t *testing.T) {
	p, url := opened(t, "")
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
	tab.Type("Mine")
	tab.Freeze()
	p.take("article/42", "expired", "Ana")
	tab.Thaw()
	tab.Wait(is("lost"))
	if text := tab.Text(textarea + `.value`); text != "Mine" {
		t.Errorf("text %q", text)
	}
	tab.Wait(says("Ana is editing now"))
}

// Hidden is not left: the heartbeat goes on being answered, and the lock stays. Faults: B1
func TestHiddenPageHolds(t *testing.T) {
	p, url := opened(t, "")
	p.heartbeat, p.ttl, p.margin = 0.3, 3, 1
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	before := fence(p)
	tab.Hide()
	tab.Wait(`document.visibilityState === "hidden"`)
	pongs := func() (n int) {
		for _, f := range p.frames {
			if f["type"] == "pong" {
				n++
			}
		}
		return n
	}
	p.wait("twelve heartbeats, more than the TTL", func() bool { return pongs() > 12 })
	if state := tab.Text(lockState); state != "held" {
		t.Errorf("hidden, it is %s", state)
	}
	if p.count("bye")+p.count("release") != 0 || fence(p) != before { // on a starved machine it may have connected again
		t.Errorf("hidden, it said %v", p.said())
	}
	// And seen again it asks, and gives the focus back.
	tab.Eval(textarea + `.focus()`)
	watches := p.count("watch")
	tab.Show()
	tab.Wait(`document.visibilityState === "visible"`)
	tab.Wait(is("held"))
	p.wait("asked", func() bool {
		n := 0
		for _, f := range p.frames {
			if f["type"] == "watch" && f["fence"] != nil {
				n++
			}
		}
		return n > watches
	})
	tab.Wait(is("held") + ` && document.activeElement === ` + textarea)
}

// A hidden tab whose turn comes calls its person: title and icon, until it is seen.
func TestHiddenTabCalls(t *testing.T) {
	p, url := opened(t, "")
	p.give("article/42", "Ana")
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("waiting"))
	tab.Hide()
	tab.Wait(`document.visibilityState === "hidden"`)
	p.free("article/42", "released", "")
	tab.Wait(`document.title === "● Your turn – Article 42" && document.querySelector("link[rel=icon]")`)
	tab.Show()
	tab.Wait(`document.title === "Article 42" && !document.querySelector("link[rel=icon]")`)
}

// Faults: B4. Back and forward.
func TestBackAndForward(t *testing.T) {
	p, url := opened(t, "")
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	before := fence(p)
	tab.Eval(`window.mark = 1, addEventListener("pageshow", e => window.cached = e.persisted)`)
	tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
	tab.Type("Mine")
	tab.Open(p.page("/elsewhere", `<!doctype html><title>elsewhere</title>`))
	p.wait("a bye", func() bool { return p.byes == 1 })
	tab.Back()
	tab.Wait(`location.pathname === "/article"`)
	tab.Wait(is("held"))
	if fence(p) != before {
		t.Errorf("fence %d, was %d", fence(p), before)
	}
	if tab.Eval(`window.mark === 1 && window.cached === true`) != true {
		t.Error("the page was kept out of the back/forward cache")
	}
	if text := tab.Text(textarea + `.value`); text != "Mine" {
		t.Errorf("text %q", text)
	}
}

// Offline: typing goes on and saving waits; online again it is the same lock. Faults: W2
func TestOffline(t *testing.T) {
	p, url := opened(t, "")
	p.heartbeat, p.ttl, p.margin = 0.4, 3, 1
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	before := fence(p)
	tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
	p.do(func() { p.down = true })
	tab.Offline(true)
	p.cut(0)
	tab.Wait(is("unsure"))
	tab.Type("Mine")
	tab.Eval(`void (window.headers = null, ` + lock + `.lock.headers().then(h => window.headers = h["Lock-Token"]))`)
	tab.Eval(`void document.getElementById("f").requestSubmit()`)
	if url := tab.Text(`location.pathname + window.headers`); url != "/articlenull" {
		t.Errorf("saved while unsure: %s", url)
	}
	saved := make(chan string, 1)
	p.serve("/save", func(w http.ResponseWriter, r *http.Request) { saved <- r.FormValue("text") + r.FormValue("lock_token") })
	p.do(func() { p.down = false })
	tab.Offline(false)
	if got := receive(t, saved); got != fmt.Sprintf("Minelock-token-%d", before) {
		t.Errorf("saved %q", got)
	}
}

// A machine that slept, or a clock that was set, is noticed by the two clocks running apart. Faults: B9
func TestClockJump(t *testing.T) {
	p, url := opened(t, "")
	tab := chrome.Page(t)
	tab.BeforeScripts(`(() => { const now = Date.now.bind(Date); window.jump = 0; Date.now = () => now() + window.jump })()`)
	tab.Open(url)
	tab.Wait(is("held"))
	before := fence(p)
	tab.Eval(`(() => { window.log = []; ` + lock + `.lock.subscribe(s => log.push(s.state)); window.jump = 3600e3 })()`)
	// Asked at this very moment, before any timer: the larger clock counts.
	if state := tab.Text(lockState); state != "unsure" {
		t.Errorf("an hour later it is %s", state)
	}
	if tab.Eval(lock+`.lock.token()`) != nil {
		t.Error("an hour later there is still a token")
	}
	tab.Wait(is("held"))
	tab.Eval(`void (window.jump = -3600e3)`)
	tab.Wait(`window.log.filter(s => s === "unsure").length > 1`)
	tab.Wait(is("held"))
	if fence(p) != before {
		t.Error("a jump of the clock cost the lock")
	}
}

// Paused (in a debugger, or by a script that blocks): a save afterwards does not go out on old belief. Faults: B10
func TestPausedPageDoesNotSave(t *testing.T) {
	p, url := opened(t, "")
	p.heartbeat, p.ttl, p.margin = 0.4, 2, 1
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	p.do(func() { p.things["article/42"].version = "x" })
	result := tab.Text(`(() => { const end = performance.now() + 1500; while (performance.now() < end); const l = ` + lock + `.lock;
		return l.snapshot.state + "," + l.token() + "," + ` + lock + `.permit() })()`)
	if result != "unsure,null,later" {
		t.Errorf("after a pause beyond its belief: %s", result)
	}
	tab.Wait(is("held"))
}

// What was typed and not saved outlives the page: offered after a reload, dismissed for good, gone once it was sent.
// Faults: B10
func TestTypedTextOutlivesThePage(t *testing.T) {
	p, url := opened(t, "")
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
	tab.Type("Mine")
	elsewhere := p.page("/elsewhere", `<!doctype html><title>elsewhere</title>`)
	tab.Open(elsewhere)
	tab.Open(url) // resumed
	tab.Wait(is("held"))
	tab.Wait(button("restore"))
	tab.Open(elsewhere)
	p.free("article/42", "left", "")
	tab.Open(url) // granted anew, and loaded
	tab.Wait(is("held"))
	if text := tab.Text(textarea + `.value`); text != "It snowed all night." {
		t.Errorf("put back without being asked: %q", text)
	}
	tab.Click(button("restore"))
	tab.Wait(textarea + `.value === "Mine"`)
	// Refused as stale, on a page of its own: still there.
	refused := true
	text := "It snowed all night."
	p.serve("/save", func(w http.ResponseWriter, r *http.Request) {
		no := false
		p.do(func() {
			if no = refused; !no {
				text = r.FormValue("text")
			}
		})
		if no {
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `<!doctype html><title>refused</title>`)
			return
		}
		http.Redirect(w, r, "/article", http.StatusSeeOther)
	})
	p.serve("/article", func(w http.ResponseWriter, _ *http.Request) {
		p.do(func() { io.WriteString(w, article("", strings.Replace(form, "It snowed all night.", text, 1))) })
	})
	tab.Eval(`void document.getElementById("f").requestSubmit()`)
	tab.Wait(`document.title === "refused"`)
	tab.Open(url)
	tab.Wait(is("held"))
	tab.Click(button("restore"))
	tab.Wait(textarea + `.value === "Mine"`)
	p.do(func() { refused = false })
	tab.Eval(`window.old = true`)
	tab.Eval(`void document.getElementById("f").requestSubmit()`)
	tab.Wait(`!window.old && ` + is("held") + ` && ` + textarea + `.value === "Mine"`)
	if tab.Eval(lock+`.shadowRoot.querySelector(".drawer[data-open]") === null`) != true {
		t.Errorf("after it was sent the page says %q", bar(tab))
	}
}
