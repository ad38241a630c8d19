package web_test

import (
	"strings"
	"testing"
)

// The whole life of a lock in a script.
func TestOpenSaveRelease(t *testing.T) {
	p := newPeer(t)
	p.give("article/42", "Ana")
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(`
const lock = window.lock = editlock.open("article/42", {
  refresh: async (version, grant) => { log.push("refresh " + version + " " + Object.keys(grant.headers)) },
});
lock.subscribe(s => log.push(s.state + (s.position ?? "")));
lock.headers().then(() => log.push("headers too early"), e => log.push(e.code));
try { lock.snapshot.holder.name = "x" } catch {}
try { lock.snapshot.state = "held" } catch { log.push("frozen") }`)))
	tab.Wait(state("waiting"))
	if tab.Eval(`lock.snapshot.holder.name === "Ana" && lock.snapshot === lock.snapshot && Math.abs(Date.now() - lock.snapshot.holder.since - 180e3) < 30e3`) != true {
		t.Errorf("snapshot %v", tab.Eval(`lock.snapshot`))
	}
	p.free("article/42", "released", "17")
	tab.Wait(state("held"))
	if log := tab.Text(`log.join()`); log != "frozen,not_held,connecting,waiting1,refreshing,refresh 17 Lock-Token,held" {
		t.Errorf("log %q", log)
	}
	if token := tab.Text(`lock.headers().then(h => h["Lock-Token"])`); token != p.tokenOf("article/42") {
		t.Errorf("token %q", token)
	}
	tab.Eval(`lock.changed(18)`)
	p.wait("18", func() bool { return p.things["article/42"].version == "18" })
	tab.Eval(`lock.release({version: 19})`)
	p.do(func() {
		if th := p.things["article/42"]; th.holder != "" || th.version != "19" {
			t.Errorf("after the release: %q holds version %q", th.holder, th.version)
		}
	})
	if s := tab.Text(`lock.snapshot.state`); s != "watching" {
		t.Errorf("after the release it is %s", s)
	}
}

func (p *peer) tokenOf(name string) (token string) {
	p.do(func() { token = p.token(p.thing(name)) })
	return token
}

// A refresh that rejects gives the lock back.
func TestRefreshRejects(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(`
const lock = window.lock = editlock.open("article/42", { refresh: () => Promise.reject(new Error("gone")) });
lock.held().catch(e => log.push(e.code + " " + e.message));`)))
	tab.Wait(`log[0] === "refresh gone"`)
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
	if tab.Eval(`lock.snapshot.state === "watching" && lock.snapshot.error.code === "refresh"`) != true {
		t.Errorf("snapshot %v", tab.Eval(`lock.snapshot`))
	}
}

// request: like navigator.locks.request.
func TestRequest(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(``)))
	tab.Wait(`window.editlock`)
	if got := tab.Text(`editlock.request("article/42", async lock => { await lock.headers(); return lock.snapshot.state })`); got != "held" {
		t.Errorf("in the callback it is %s", got)
	}
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
	if got := tab.Text(`editlock.request("article/42", () => { throw new Error("mine") }).catch(e => e.message)`); got != "mine" {
		t.Errorf("the callback's error: %s", got)
	}
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
	p.give("article/42", "Ana")
	if got := tab.Eval(`editlock.request("article/42", {ifAvailable: true}, lock => lock?.snapshot.state ?? null)`); got != nil {
		t.Errorf("held by another, the callback got %v", got)
	}
	if got := tab.Text(`editlock.request("article/42", {signal: AbortSignal.timeout(100)}, lock => lock).catch(e => e.name)`); got != "TimeoutError" {
		t.Errorf("aborted with %s", got)
	}
	p.wait("not in line", func() bool { return len(p.things["article/42"].queue) == 0 })
	if got := tab.Text(`editlock.query("article/").then(q => q.held.map(e => e.resource + " " + e.holder.name).join())`); got != "article/42 Ana" {
		t.Errorf("query: %s", got)
	}
	p.do(func() { p.refuse["watch"] = message{"code": "forbidden", "message": "No."} })
	if got := tab.Text(`editlock.query("secret/").catch(e => e.code)`); got != "forbidden" {
		t.Errorf("query without the right: %s", got)
	}
	if got := tab.Text(`new Promise(done => { const l = editlock.open("secret/1", {start: "manual"}); l.subscribe(s => s.error && done(s.state + " " + s.error.code)) })`); got != "watching forbidden" {
		t.Errorf("open without the right: %s", got)
	}
}

// All uses of a resource in a document share one lock; the last one to close releases it.
func TestUsesShareOneLock(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(`
window.end = new AbortController();
window.lock = editlock.open("article/42");
window.other = editlock.open("article/42", { signal: end.signal });`)+`<script src="/editlock/editlock.classic.js"></script>
<edit-lock resource="article/42"></edit-lock><script>window.third = window.editlock.open("article/42")</script>`))
	tab.Wait(is("held"))
	tab.Wait(`third !== lock && third.snapshot === lock.snapshot`)
	tab.Eval(`third.close(), document.querySelector("edit-lock").remove()`)
	tab.Wait(state("held") + ` && other.snapshot === lock.snapshot`)
	tab.Eval(`lock.close()`)
	tab.Eval(`new Promise(done => setTimeout(done, 50))`)
	if n := p.count("release"); n != 0 {
		t.Error("released although another use is open")
	}
	tab.Eval(`end.abort()`)
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
	if n := p.count("acquire"); n != 1 {
		t.Errorf("%d acquires", n)
	}
}

// A release that finds no server is done when it is back.
func TestReleaseWhileAway(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne)))
	tab.Wait(state("held"))
	p.do(func() { p.down = true })
	p.cut(0)
	tab.Wait(`!lock.snapshot.online`)
	tab.Eval(`void lock.release({version: "18"}).then(() => log.push("done"))`)
	p.do(func() { p.down = false })
	p.wait("released", func() bool { return p.things["article/42"].holder == "" && p.things["article/42"].version == "18" })
	tab.Wait(`log.includes("done")`)
}

// Access tokens are renewed before they end, on the connection that is open.
func TestAccessTokenIsRenewed(t *testing.T) {
	p := newPeer(t)
	p.heartbeat = 0.2
	p.do(func() { p.lifetime = 0.9 })
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne)))
	tab.Wait(state("held"))
	p.wait("renewed", func() bool {
		for _, f := range p.frames {
			if f["type"] == "token" {
				return true
			}
		}
		return false
	})
	if n := p.count("hello"); n != 1 {
		t.Errorf("%d hellos", n)
	}
}

// Without access tokens nothing is known, and the page keeps asking.
func TestNoAccessToken(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", `<!doctype html><script type="module">import { editlock } from "/editlock/index.js";
window.n = 0; editlock.configure({ url: "/editlock", auth: async () => { if (++n < 3) throw new Error("logged out"); return "7:Ben" } });
window.lock = editlock.open("article/42")</script>`))
	tab.Wait(state("held"))
	if n := tab.Eval(`n`); n != 3.0 {
		t.Errorf("asked %v times", n)
	}
}

// A resource that the server refuses is said at once, and not asked again.
func TestRefusals(t *testing.T) {
	p := newPeer(t)
	p.do(func() { p.refuse["acquire"] = message{"code": "forbidden", "message": "You may not edit it."} })
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(openOne+`lock.held().catch(e => log.push(e.code))`)))
	tab.Wait(`log.includes("forbidden") && lock.snapshot.state === "watching"`)
	p.do(func() {
		p.refuse["acquire"] = message{"code": "unavailable", "message": "The store does not answer.", "retry_after": 0.1}
	})
	tab.Eval(`lock.acquire()`)
	tab.Wait(`lock.snapshot.error?.code === "unavailable"`)
	p.do(func() { delete(p.refuse, "acquire") })
	tab.Wait(state("held") + ` && lock.snapshot.error === null`)
	acquires := 0
	for _, said := range p.said() {
		if strings.HasPrefix(said, "acquire") {
			acquires++
		}
	}
	if acquires > 6 {
		t.Errorf("asked %d times", acquires)
	}
}

// A list that is refused in passing is asked for again on the same connection, and lives.
func TestListAfterPassingError(t *testing.T) {
	p := newPeer(t)
	p.do(func() { p.refuse["watch"] = message{"code": "unavailable", "message": "Not now.", "retry_after": 1} })
	tab := chrome.Page(t)
	tab.Open(p.page("/", scripts(`editlock.watch("article/", entries => { window.n = entries.size })`)))
	p.wait("asked", func() bool { return len(p.frames) > 1 && p.frames[len(p.frames)-1]["type"] == "watch" })
	p.do(func() { delete(p.refuse, "watch") })
	tab.Wait(`window.n === 0`)
	p.give("article/42", "Ana")
	tab.Wait(`window.n === 1`)
	if n := p.count("hello"); n != 1 {
		t.Errorf("%d hellos", n)
	}
}
