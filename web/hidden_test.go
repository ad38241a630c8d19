package web_test

import "testing"

// A tab that is hidden for more than five minutes gets its timers once a minute at best. Here it gets none while it is hidden. Heartbeats are answered as they
// come, for more than twice the TTL, and the lock stays.
// Faults: B1
func TestHiddenPageHoldsThoughItsTimersSleep(t *testing.T) {
	p, url := opened(t, "")
	p.heartbeat, p.ttl, p.margin = 0.25, 2, 0.7
	tab := chrome.Page(t)
	tab.BeforeScripts(`(() => {
		window.slept = 0
		const later = window.setTimeout.bind(window)
		const sleepy = f => (...args) => document.visibilityState === "hidden" ? void window.slept++ : f(...args)
		window.setTimeout = (f, ms, ...args) => later(ms > 0 ? sleepy(f) : f, ms, ...args)
		const often = window.setInterval.bind(window)
		window.setInterval = (f, ms, ...args) => often(sleepy(f), ms, ...args)
	})()`)
	tab.Open(url)
	tab.Wait(is("held"))
	before := fence(p)
	tab.Eval(`void setInterval(() => 0, 100)`)
	tab.Hide()
	tab.Wait(`document.visibilityState === "hidden"`)
	said := func(what string) (n int) {
		for _, f := range p.frames {
			if f["type"] == what {
				n++
			}
		}
		return n
	}
	from := 0
	p.do(func() { from = said("pong") })
	p.wait("heartbeats for more than twice the TTL", func() bool { return said("pong") > from+20 })
	tab.Wait(`slept > 3`) // else it shows nothing
	if state := tab.Text(lockState); state != "held" || fence(p) != before {
		t.Errorf("it is %s with fence %d, before %d", state, fence(p), before)
	}
	p.do(func() {
		if said("bye")+said("release") != 0 {
			t.Errorf("hidden, it said bye %d times and release %d times", said("bye"), said("release"))
		}
	})
}
