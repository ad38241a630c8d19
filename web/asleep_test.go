package web_test

import (
	"net/http"
	"testing"
)

// A page stands for long, in a debugger or because the machine sleeps for a night. Its lock has gone to somebody else. The very first thing that it does then is to
// save: nothing goes out, it says who holds now, and the text is still there.
// Faults: B3, B10
func TestPageThatStoodSavesNothingOverTheNext(t *testing.T) {
	const stand = `const end = performance.now() + 1500; while (performance.now() < end);`
	const save = `document.getElementById("f").requestSubmit()`
	for name, c := range map[string]struct{ before, then string }{
		"in a debugger": {"", stand + save},
		"asleep for eight hours, with a clock that goes on": {`(() => { const now = Date.now.bind(Date); window.jump = 0; Date.now = () => now() + window.jump })()`, `window.jump = 8 * 3600e3;` + save},
		"frozen": {"", save},
	} {
		t.Run(name, func(t *testing.T) {
			p, url := opened(t, "")
			p.heartbeat, p.ttl, p.margin = 0.4, 2, 1
			if name == "frozen" {
				p.ttl = 30
			}
			saves := 0
			p.serve("/save", func(http.ResponseWriter, *http.Request) { p.do(func() { saves++ }) })
			tab := chrome.Page(t)
			if c.before != "" {
				p.ttl = 30
				tab.BeforeScripts(c.before)
			}
			tab.Open(url)
			tab.Wait(is("held"))
			tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
			tab.Type("Mine")
			p.do(func() { p.mute = true }) // what the server tells meanwhile does not arrive
			if name == "frozen" {
				tab.Freeze()
			}
			p.take("article/42", "expired", "Ana")
			if name == "frozen" {
				tab.Eval(`document.addEventListener("resume", () => { ` + c.then + ` })`)
				tab.Thaw()
			} else {
				tab.Eval(`(() => { ` + c.then + ` })()`)
			}
			if tab.Eval(lock+`.lock.token()`) != nil || tab.Text(lock+`.permit()`) == "go" {
				t.Error("it would save with what it has")
			}
			p.do(func() { p.mute = false })
			p.cut(0)
			tab.Wait(is("lost"))
			tab.Wait(says("Ana is editing now"))
			if text := tab.Text(textarea + `.value`); text != "Mine" {
				t.Errorf("the text became %q", text)
			}
			if tab.Eval(content+`.inert`) != true {
				t.Error("it can be edited")
			}
			tab.Eval(save)
			if tab.Text(lock+`.permit()`) != "refuse" {
				t.Error("a save is not refused")
			}
			tab.Open(p.page("/elsewhere", `<!doctype html><title>elsewhere</title>`)) // whatever was under way is there by then
			p.do(func() {
				if saves != 0 {
					t.Errorf("%d saves went out", saves)
				}
			})
			p.free("article/42", "released", "")
			tab.Open(url)
			tab.Wait(is("held"))
			tab.Wait(button("restore")) // and is offered back
		})
	}
}
