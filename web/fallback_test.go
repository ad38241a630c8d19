package web_test

import (
	"testing"
	"time"
)

const wayNow = lock + `.client.connection.current?.way`

// A page that found no WebSocket through says so to the tab's next document, which does not look again.
// Faults: W6
func TestFallbackIsRemembered(t *testing.T) {
	p, url := opened(t, "")
	p.closed = true
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held") + ` && ` + wayNow + ` === "stream"`)
	tab.Eval(`window.old = true`)
	tab.Reload()
	tab.Wait(`!window.old && ` + is("held") + ` && ` + wayNow + ` === "stream"`)
	p.do(func() {
		if p.upgrades != 1 || p.streams != 2 || len(p.sessions) != 1 {
			t.Errorf("%d WebSockets tried, %d streams opened, %d sessions", p.upgrades, p.streams, len(p.sessions))
		}
	})
}

// When a WebSocket gets through again the page goes over to it, and nobody notices.
// Faults: W6
func TestFallbackEnds(t *testing.T) {
	p, url := opened(t, "")
	p.heartbeat = 0.3
	tab := chrome.Page(t)
	tab.BeforeScripts(`sessionStorage["editlock way " + location.origin + "/editlock"] ??= JSON.stringify({ way: "stream", until: Date.now() + 2000, wait: 1000 })`)
	p.do(func() { p.closed = true })
	tab.Open(url)
	tab.Wait(is("held") + ` && ` + wayNow + ` === "stream"`)
	before := fence(p)
	tab.Eval(`(() => { window.log = []; ` + lock + `.lock.subscribe(s => log.push(s.state + (s.online ? "" : " offline"))) })()`)
	p.wait("a WebSocket was tried", func() bool { return p.upgrades == 1 })
	if got := tab.Text(wayNow); got != "stream" {
		t.Errorf("after a try that failed: %s", got)
	}
	p.do(func() { p.closed = false })
	tab.Wait(wayNow + ` === "websocket"`)
	if log := tab.Text(`log.filter(state => !state.startsWith("held")).join()`); log != "" {
		t.Errorf("changing over was felt: %s", log)
	}
	if fence(p) != before || tab.Eval(`Object.keys(sessionStorage).filter(key => key.startsWith("editlock way")).length`) != 0.0 {
		t.Error("another hold, or the page still thinks that no WebSocket gets through")
	}
}

// A server that is away drives no page into the fallback.
// Faults: W1, W6
func TestFallbackIsNotForAServerThatIsDown(t *testing.T) {
	t.Parallel()
	p, url := opened(t, "")
	p.down = true
	tab := chrome.Page(t)
	tab.Open(url)
	p.wait("tried twice, both ways", func() bool { return p.missed >= 2 })
	p.do(func() { p.down = false })
	tab.Wait(is("held"))
	if got := tab.Text(wayNow); got != "websocket" {
		t.Errorf("the page came in by %s", got)
	}
	p.do(func() { p.down = true })
	p.cut(0)
	upgrades := 0
	p.do(func() { upgrades = p.upgrades })
	p.wait("tried to come back", func() bool { return p.upgrades > upgrades })
	p.do(func() { p.down = false })
	tab.Wait(is("held") + ` && ` + lock + `.lock.snapshot.online`)
	if got := tab.Text(wayNow); got != "websocket" {
		t.Errorf("the page came back by %s", got)
	}
	p.do(func() {
		if p.streams != 0 {
			t.Errorf("%d streams were opened", p.streams)
		}
	})
}

// A page may be told the way, for tests.
func TestFallbackForced(t *testing.T) {
	for _, way := range []string{"stream", "poll"} {
		p, url := opened(t, `transport="`+way+`"`)
		tab := chrome.Page(t)
		tab.Open(url)
		tab.Wait(is("held") + ` && ` + wayNow + ` === "` + way + `"`)
		p.do(func() {
			if p.upgrades != 0 || p.streams != 1 {
				t.Errorf("%s: %d WebSockets tried, %d streams", way, p.upgrades, p.streams)
			}
		})
	}
}

// An answer that a proxy keeps back is noticed by the silence, and polls get through.
// Faults: W6
func TestFallbackKeptBack(t *testing.T) {
	t.Parallel()
	p, url := opened(t, "")
	p.do(func() { p.closed, p.keepsBack = true, true })
	tab := chrome.Page(t)
	began := time.Now()
	tab.Open(url)
	tab.Wait(is("held") + ` && ` + wayNow + ` === "poll"`)
	t.Logf("held after %v", time.Since(began).Round(100*time.Millisecond))
}

// A WebSocket that opens, and through which a proxy lets nothing, is noticed by the silence too, whatever else gets through.
// Faults: W6
func TestFallbackSwallowed(t *testing.T) {
	for want, keepsBack := range map[string]bool{"stream": false, "poll": true} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			p, url := opened(t, "")
			p.do(func() { p.swallows, p.keepsBack = true, keepsBack })
			tab := chrome.Page(t)
			tab.Open(url)
			tab.Wait(is("held") + ` && ` + wayNow + ` === "` + want + `"`)
		})
	}
}
