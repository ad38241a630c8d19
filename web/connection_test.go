package web_test

import (
	"fmt"
	"strings"
	"testing"
)

// scripts is a page that uses the scripts API.
func scripts(body string) string {
	return `<!doctype html><title>scripts</title><script type="module">
import { editlock } from "/editlock/index.js";
window.editlock = editlock;
window.log = [];
` + body + `
</script>`
}

const openOne = `const lock = window.lock = editlock.open("article/42"); lock.subscribe(s => log.push(s.state));`

func state(s string) string { return `window.lock?.snapshot.state === "` + s + `"` }

// A connection that is closed: how the page comes back is read from the code's range.
func TestCloseCodes(t *testing.T) {
	for _, c := range []struct {
		code            uint16
		same, freshAuth bool
	}{
		{1012, true, false}, {4101, true, false}, {4200, true, true}, {4304, false, false}, {4302, false, false},
	} {
		t.Run(fmt.Sprint(c.code), func(t *testing.T) {
			t.Parallel()
			p := newPeer(t)
			tab := chrome.Page(t)
			tab.Open(p.page("/", scripts(openOne)))
			tab.Wait(state("held"))
			tokens := 0
			p.do(func() { tokens = p.tokens })
			p.cut(c.code)
			if c.same {
				p.wait("back", func() bool { return len(p.links) == 1 && len(p.sessions) == 1 && helloes(p) == 2 })
				tab.Wait(state("held"))
			} else {
				p.wait("back with a new session", func() bool { return len(p.sessions) == 2 })
				tab.Wait(state("lost"))
			}
			p.do(func() {
				if c.freshAuth != (p.tokens > tokens) {
					t.Errorf("access tokens: %d, then %d", tokens, p.tokens)
				}
			})
		})
	}
}

func helloes(p *peer) (n int) {
	for _, f := range p.frames {
		if f["type"] == "hello" {
			n++
		}
	}
	return n
}

// A broken client does not come back by itself, and does when its person asks.
func TestProtocolErrorIsNotRepeated(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne)))
	tab.Wait(state("held"))
	p.cut(4300)
	p.wait("gone", func() bool { return len(p.links) == 0 })
	tab.Wait(state("unsure"))
	tab.Eval(`new Promise(done => setTimeout(done, 1500))`)
	if n := p.count("hello"); n != 1 {
		t.Fatalf("%d hellos", n)
	}
	tab.Eval(`lock.acquire()`)
	tab.Wait(state("held"))
}

// An attempt whose answer is lost is repeated with the same nonce; after an answer there is another.
func TestNonceOfARepeat(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne)))
	tab.Wait(state("held"))
	p.do(func() { p.mute = true })
	p.cut(1012)
	p.wait("a hello that is not answered", func() bool { return helloes(p) == 2 })
	p.cut(0)
	p.wait("a repeat", func() bool { return helloes(p) == 3 })
	p.do(func() { p.mute = false })
	p.cut(0)
	tab.Wait(state("held") + ` && lock.snapshot.online`)
	p.cut(1012)
	p.wait("one more", func() bool { return helloes(p) >= 5 })
	p.do(func() {
		var nonces, resumes []string
		for _, f := range p.frames {
			if f["type"] == "hello" {
				nonces, resumes = append(nonces, fmt.Sprint(f["nonce"])), append(resumes, fmt.Sprint(f["resume"]))
			}
		}
		if nonces[1] == nonces[0] || nonces[2] != nonces[1] || nonces[3] != nonces[1] || nonces[4] == nonces[3] {
			t.Errorf("nonces %q", nonces)
		}
		if resumes[1] != resumes[3] || resumes[4] == resumes[3] {
			t.Errorf("resume tokens %q", resumes)
		}
		for _, nonce := range nonces {
			if len(nonce) != 22 || strings.ContainsAny(nonce, "+/=") {
				t.Errorf("nonce %q", nonce)
			}
		}
	})
}

// A server that says nothing any more: the watchdog of the last ping lets the page reconnect. Faults: W1
func TestWatchdog(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.heartbeat = 0.3
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne)))
	tab.Wait(state("held"))
	p.do(func() { p.mute = true })
	p.wait("a new connection", func() bool { return helloes(p) >= 2 })
	p.do(func() { p.mute = false })
	p.cut(0)
	tab.Wait(state("held") + ` && lock.snapshot.online`)
	if tab.Eval(`log.includes("unsure")`) == true {
		t.Error("unsure, although belief had not run out")
	}
}

// Belief that has run out comes back by a resume on a new connection, and not by a late ping. Faults: W2
func TestBeliefComesBackByResumeOnly(t *testing.T) {
	p := newPeer(t)
	p.heartbeat, p.ttl, p.margin = 5, 1.5, 0.5 // the first ping comes after belief has run out
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne)))
	p.wait("welcomed", func() bool { return helloes(p) == 1 })
	p.do(func() { p.ttl, p.margin = 30, 3 }) // from the next welcome on
	tab.Wait(`log.includes("held") && log.includes("unsure")`)
	p.wait("resumed on a new connection", func() bool { return helloes(p) == 2 })
	tab.Wait(state("held"))
	p.do(func() {
		if p.thing("article/42").fence != int64(p.frames[2]["fence"].(float64)) {
			t.Error("not the same hold")
		}
	})
}

// Told to move, the page keeps its connection until it is welcomed on another.
// Faults: N3
func TestMove(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne)))
	tab.Wait(state("held"))
	p.do(func() { p.refuse["hello"] = message{"code": "shutting_down", "message": "The server is stopping."} })
	p.push(message{"type": "move", "within": 0.1})
	p.wait("asked elsewhere", func() bool { return helloes(p) == 2 })
	tab.Eval(`lock.changed("18")`)
	p.do(func() {
		if p.thing("article/42").version != "18" {
			t.Error("the old connection was given up too early")
		}
		delete(p.refuse, "hello")
	})
	p.do(func() {
		for conn, l := range p.links {
			if l.session == nil {
				conn.WriteClose(1012, nil)
			}
		}
	})
	p.wait("moved", func() bool { return helloes(p) == 3 && len(p.links) == 1 })
	if log := tab.Text(`log.join()`); strings.Contains(log, "unsure") || strings.Contains(log, "lost") {
		t.Errorf("moving was felt: %s", log)
	}
}

// The server has forgotten the session: the page starts a new one on the same connection, and says what it lost.
func TestResumeRefused(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne)))
	tab.Wait(state("held"))
	p.forget()
	p.do(func() { p.end(p.thing("article/42"), "expired", "", false) })
	p.cut(1012)
	tab.Wait(state("lost"))
	p.wait("a second session", func() bool { return len(p.sessions) == 2 && len(p.links) == 1 })
}

// A push that is older than what is known is ignored.
func TestOldPushIsIgnored(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne)))
	tab.Wait(state("held"))
	p.push(message{"type": "snapshot", "resource": "article/42", "revision": 1, "state": "free", "waiting": 0})
	p.push(message{"type": "later", "x": 1})
	p.push(message{"type": "snapshot", "resource": "article/9", "revision": 1, "state": "free"})
	p.do(func() { th := p.thing("article/42"); th.queue = []string{"@Ana"}; p.tell(th) })
	tab.Wait(`lock.snapshot.waiting === 1`)
	if log := tab.Text(`log.join()`); strings.Contains(log, "lost") || strings.Contains(log, "watching") {
		t.Errorf("an old push counted: %s", log)
	}
}

// A grant that has passed on while the page was slow: it asks again, and is told its new place. Faults: Q1
func TestStaleConfirm(t *testing.T) {
	p := newPeer(t)
	p.do(func() { p.refuse["confirm"] = message{"code": "stale_fence", "message": "The grant has passed on."} })
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne)))
	p.wait("confirmed", func() bool { return p.thing("article/42").holder != "" && len(p.frames) > 2 })
	p.take("article/42", "unconfirmed", "Ana")
	p.do(func() { delete(p.refuse, "confirm") })
	tab.Wait(state("waiting"))
	p.free("article/42", "released", "")
	tab.Wait(state("held"))
}
