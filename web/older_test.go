package web_test

import "testing"

// What a page was told before arrives again, late and out of order: snapshots from when it waited, when it was granted, when somebody else held and when the lock was free. They
// change nothing, of a page that holds as of one that has lost. What is newer counts.
//
// Faults: W4, B12
func TestOlderSnapshotsAreIgnored(t *testing.T) {
	p := newPeer(t)
	url := p.page("/article", article("", form))
	tab := chrome.Page(t)
	var old []message
	keep := func() {
		p.do(func() {
			for _, s := range p.sessions {
				old = append(old, p.snapshot(p.thing("article/42"), s.id, true))
			}
		})
	}
	replay := func(want string, waiting int) {
		t.Helper()
		tab.Eval(`(window.states = [], document.querySelector("edit-lock").lock.subscribe(s => window.states.push(s.state)), 0)`)
		for i := range old { // backwards: the newest first
			p.push(old[len(old)-1-i])
		}
		for _, m := range old {
			p.push(m)
		}
		p.do(func() { // and then the present, so that it is known that all has arrived
			thing := p.thing("article/42")
			p.last++
			thing.revision = p.last
			for _, l := range p.links {
				m := p.snapshot(thing, l.session.id, true)
				m["waiting"] = waiting
				l.send(m)
			}
		})
		tab.Wait(`document.querySelector("edit-lock").lock.snapshot.waiting === ` + string(rune('0'+waiting)))
		if got := tab.Text(`[...new Set(window.states)].join(" ")`); got != want {
			t.Errorf("older snapshots took the page through %q, want %q alone", got, want)
		}
	}

	p.give("article/42", "Ana")
	tab.Open(url)
	tab.Wait(is("waiting"))
	keep()
	p.free("article/42", "released", "")
	tab.Wait(is("held"))
	first := tab.Text(`"" + document.querySelector("edit-lock").lock.snapshot.fence`)
	replay("held", 5)
	keep()
	p.take("article/42", "forced", "Cleo") // it has lost
	tab.Wait(is("lost"))
	keep()
	replay("lost", 6)
	p.free("article/42", "released", "")
	keep()
	replay("lost", 7)
	if got := tab.Text(`"" + document.querySelector("edit-lock").lock.snapshot.fence`); got == first {
		t.Errorf("it believes in fence %s again", got)
	}
}
