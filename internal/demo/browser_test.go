package demo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/editlock/editlock/internal/browser"
	"github.com/editlock/editlock/internal/demo/articles"
)

// visitor is somebody at the page "Try to get it stuck".
type visitor struct {
	t *testing.T
	*browser.Page
}

func (v visitor) press(button string) {
	v.t.Helper()
	v.Wait(fmt.Sprintf(`document.querySelector("[data-do=%s]").ariaDisabled !== "true"`, button))
	v.Click(fmt.Sprintf(`document.querySelector("[data-do=%s]")`, button))
}

// reads waits until a part of one side says something.
func (v visitor) reads(side, part, want string) {
	v.t.Helper()
	v.Wait(fmt.Sprintf(`document.querySelector(".side[data-side=%s] %s").innerText.includes(%q)`, side, part, want))
}

func (v visitor) tells(side, want string) { v.t.Helper(); v.reads(side, ".story", want) }
func (v visitor) holds(side, who string)  { v.t.Helper(); v.reads(side, "[data-show=holder]", who) }
func (v visitor) waits(side, who string)  { v.t.Helper(); v.reads(side, "[data-show=waiting]", who) }
func (v visitor) counts(side, kind, n string) {
	v.t.Helper()
	v.reads(side, "[data-count="+kind+"] dd", n)
}

// fresh begins anew: Ana edits, Ben waits, on both sides.
func (v visitor) fresh() {
	v.t.Helper()
	v.press("again")
	for _, side := range []string{usualSide, editlockSide} {
		v.reads(side, ".story", "Nothing has happened yet")
		v.settled(side)
	}
}

func (v visitor) settled(side string) {
	v.t.Helper()
	v.believes(side, "Ana", phaseEditing)
	v.believes(side, "Ben", phaseWaiting)
	v.holds(side, "Ana")
	v.waits(side, "Ben")
}

// believes waits until somebody's only page on a side is in a phase.
func (v visitor) believes(side, who, phase string) {
	v.t.Helper()
	v.Wait(fmt.Sprintf(`[...document.querySelectorAll(".side[data-side=%s] .pane[data-person=%s] iframe")].map(f => f.dataset.phase).join() === %q`, side, who, phase))
}

// visit opens the page and waits until Ana edits and Ben waits, on both sides.
func visit(t *testing.T, url string) visitor {
	t.Helper()
	v := visitor{t, browser.Launch(t).Page(t)}
	v.Look(browser.Look{Width: 1440, Height: 1000})
	v.Open(url)
	for _, side := range []string{usualSide, editlockSide} {
		v.settled(side)
	}
	return v
}

// unharmed: editlock never has anything to count.
func (v visitor) unharmed() {
	v.t.Helper()
	counted := v.Text(`[...document.querySelectorAll(".side[data-side=editlock] .count dd")].map(n => n.textContent).join()`)
	if counted != "0,0,0" {
		v.t.Errorf("editlock: stuck, double, overwritten = %s; %s", counted, v.Text(`document.querySelector(".side[data-side=editlock] .story").innerText`))
	}
}

// Every button, on both sides, in a real browser: the usual design fails as its README says, and editlock does not.
func TestButtons(t *testing.T) {
	t.Parallel()
	url, _ := start(t)
	v := visit(t, url)

	step := func(button string, does func()) {
		t.Log(button) // a failure is that of the last one
		does()
	}
	step("stale", func() { // Faults: B10
		v.press("stale")
		v.tells(editlockSide, "refused with 409")
		v.counts(usualSide, "overwritten", "1")
		v.tells(usualSide, "replaced a newer text")
		v.unharmed()
	})
	step("kill", func() { // Faults: N1
		v.fresh()
		v.press("kill")
		v.tells(editlockSide, "took its session up again: the same fence")
		v.tells(usualSide, "nothing in this design will ever clear it")
		v.unharmed()
	})
	step("reload", func() { // Faults: B5
		v.fresh()
		v.press("reload")
		v.tells(editlockSide, "the same lock, the same fence")
		v.unharmed()
	})
	step("duplicate, and close the copy", func() { // Faults: B6, B7
		v.fresh()
		v.press("duplicate")
		v.tells(editlockSide, "a session of its own")
		v.counts(usualSide, "double", "1")
		v.press("close")
		v.holds(usualSide, "Ben") // though Ana's first tab is open
		v.tells(editlockSide, "goes on with the same fence")
		v.unharmed()
	})
	step("close", func() {
		v.fresh()
		v.press("close")
		v.tells(editlockSide, "after the 5 s that a reload may take its lease ended and Ben was let in")
		v.holds(usualSide, "Ben")
		v.unharmed()
	})
	step("cut and mend", func() { // Faults: W1, W2, B8
		v.fresh()
		v.press("cut")
		v.tells(editlockSide, "stop believing before the lease of 10 s ends")
		v.tells(editlockSide, "stopped answering; its lease ended after 10 s and Ben was let in")
		v.counts(usualSide, "double", "1")
		v.tells(usualSide, "both say: You are editing")
		v.press("cut")
		v.Wait(`!document.querySelector(".pane[data-cut]")`)
		v.believes(editlockSide, "Ben", phaseEditing)
		v.believes(editlockSide, "Ana", "lost") // back, and told so; what was typed is kept
		v.unharmed()
	})
	step("malformed", func() { // Faults: A2
		v.fresh()
		v.press("malformed")
		v.tells(usualSide, "nothing in this design will ever clear it")
		v.tells(editlockSide, "goes on with the same fence")
		v.counts(usualSide, "stuck", "1")
		v.unharmed()
		v.Click(`document.querySelector(".side[data-side=usual] .clear")`)
		v.counts(usualSide, "stuck", "1")
		v.Wait(`!document.querySelector(".side[data-side=usual] .clear")`)
	})
}

// The plain demo: two windows on one article.
func TestTwoWindows(t *testing.T) {
	t.Parallel()
	url, _ := start(t)
	b := browser.Launch(t)
	list, ana, ben := b.Page(t), b.Page(t), b.Page(t)
	list.Open(url + "articles")
	state := func(p *browser.Page, want string) {
		t.Helper()
		p.Wait(fmt.Sprintf(`document.querySelector("edit-lock")?.dataset.state === %q`, want))
	}
	ana.Open(url + "articles/43?as=Ana")
	state(ana, "held")
	badge := `document.querySelector("[data-resource='article/43'] .badge").innerText`
	list.Wait(badge + `.includes("Ana is editing")`)
	ben.Open(url + "articles/43?as=Ben")
	state(ben, "waiting")
	list.Wait(badge + `.includes("1 waits")`)

	ana.Click(`document.querySelector("textarea")`)
	ana.Type("Ana was here. ")
	ana.Click(`document.querySelector("[data-edit-lock-done]")`)
	ana.Wait(`document.querySelector("output").innerText.includes("Saved as version 2")`)
	state(ben, "held")
	if text := ben.Text(`document.querySelector("textarea").value`); !strings.Contains(text, "Ana was here.") {
		t.Fatalf("Ben was let in with old text: %q", text)
	}
	list.Wait(badge + `.includes("Ben is editing")`)
	// Ben saves, and goes on.
	ben.Click(`document.querySelector("textarea")`)
	ben.Type("Ben too. ")
	ben.Click(`document.querySelector("button.primary")`)
	ben.Wait(`document.querySelector("output").innerText.includes("Saved as version 3")`)
	state(ben, "held")
	ben.Close()
	list.Wait(badge + ` === ""`)
}

// "Start over" gives back what anybody holds, and begins with the first text, whatever was typed, saved or kept.
func TestStartOver(t *testing.T) {
	t.Parallel()
	url, s := start(t)
	v := visit(t, url)
	v.press("close")
	v.believes(editlockSide, "Ben", phaseEditing)
	v.believes(usualSide, "Ben", phaseEditing)
	v.Eval(`void (window.texts = [], addEventListener("message", e => { if ("value" in e.data) texts.push(e.data.value) }))`)
	command := func(what string) {
		t.Helper()
		v.Eval(`void (texts.length = 0)`)
		v.Eval(`void [...document.querySelectorAll(".pane[data-person=Ben] iframe")].forEach((f, i) => f.contentWindow.postMessage({id: "own" + i, ` + what + `}, "*"))`)
		v.Wait(`texts.length === 2`)
	}
	command(`command: "write", text: "Saved."`)
	command(`command: "save"`)
	command(`command: "write", text: "Typed."`)
	v.Eval(`void (window.red = 0, setInterval(() => { if (document.querySelector(".side[data-side=editlock] [data-show=holder] .empty")) red++ }, 20))`)
	v.press("again")
	for _, side := range []string{usualSide, editlockSide} {
		v.reads(side, ".story", "Nothing has happened yet")
		v.settled(side)
	}
	if red := v.Eval(`red`); red != 0.0 {
		t.Errorf("for %v looks somebody was missing", red)
	}
	v.press("reload") // at once, and of a page that is there
	v.tells(editlockSide, "the same lock, the same fence")
	v.unharmed()
	for _, side := range []string{usualSide, editlockSide} {
		db, err := s.referee.sources[side].open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var text string
		if err := db.QueryRow(`SELECT body FROM articles WHERE id = ?`, article).Scan(&text); err != nil || text != articles.Harbour.Body {
			t.Errorf("%s begins with %q (%v)", side, text, err)
		}
	}
	// What Ben typed and did not save is not kept for him either.
	v.Open(fmt.Sprintf("http://127.0.0.1:%d/api/articles/42", s.links[editlockSide]["Ben"].port()))
	if kept := v.Text(`Object.keys(sessionStorage).join()`); kept == "" || strings.Contains(kept, "draft") {
		t.Errorf("kept for Ben: %q", kept)
	}
}

// A server that is away answers in no JSON: the page says what that means.
func TestSaveWithoutServer(t *testing.T) {
	t.Parallel()
	url, _ := start(t)
	ana := browser.Launch(t).Page(t)
	ana.Open(url + "articles/43?as=Ana")
	ana.Wait(`document.querySelector("edit-lock")?.dataset.state === "held"`)
	for _, away := range []string{`async () => new Response("The server is down", {status: 502})`, `async () => { throw new TypeError("Failed to fetch") }`} {
		ana.Eval(`void (document.querySelector("output").textContent = "", window.real ??= fetch, window.fetch = ` + away + `)`)
		ana.Click(`document.querySelector("textarea")`)
		ana.Type("Ana was here. ")
		ana.Click(`document.querySelector("button.primary")`)
		ana.Wait(`document.querySelector("output").innerText === "Not saved: the server does not answer. Your text is kept; try again."`)
	}
	ana.Eval(`void (window.fetch = window.real)`)
	ana.Click(`document.querySelector("button.primary")`)
	ana.Wait(`document.querySelector("output").innerText.includes("Saved as version 2")`)
}
