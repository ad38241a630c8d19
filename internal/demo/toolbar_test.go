package demo

import (
	"fmt"
	"testing"
)

// In the seconds after the holder's tab was closed the holder has no page. Whatever is pressed then shows on both sides
// what it did, and to whom.
func TestButtonsAfterClose(t *testing.T) {
	t.Parallel()
	url, _ := start(t)
	v := visit(t, url)
	v.Eval(`void (window.marks = [], [...document.querySelectorAll(".pane")].forEach(pane => new MutationObserver(() => {
		if (pane.dataset.did) marks.push(pane.closest(".side").dataset.side + " " + pane.dataset.person + " " + pane.dataset.did)
	}).observe(pane, {attributeFilter: ["data-did"]})))`)
	for i, c := range []struct{ button, mark string }{
		{"reload", "reloaded"}, {"duplicate", "duplicated"}, {"malformed", "malformed message sent"}, {"cut", "network cut"}, {"close", "tab closed"},
	} {
		t.Log(c.button)
		if i > 0 {
			v.fresh()
		}
		v.press("close")
		v.Wait(`document.querySelectorAll(".pane[data-person=Ana] iframe").length === 0`)
		v.Eval(`void (marks.length = 0)`)
		v.press(c.button)
		for _, side := range []string{usualSide, editlockSide} {
			v.Wait(fmt.Sprintf(`marks.includes("%s Ben %s")`, side, c.mark))
		}
		v.tells(editlockSide, "Ben’s")
		v.unharmed()
	}
	// Now no page is open: the buttons are dim, and say why.
	for _, button := range []string{"cut", "close", "reload", "duplicate", "malformed", "stale"} {
		element := fmt.Sprintf(`document.querySelector("[data-do=%s]")`, button)
		v.Wait(element + `.ariaDisabled === "true" && ` + element + `.title.startsWith("No page is open.")`)
		v.Eval(`void (document.querySelector(".toast").hidden = true)`)
		v.Click(element)
		v.Wait(`!document.querySelector(".toast").hidden && document.querySelector(".toast").innerText.startsWith("No page is open.")`)
	}
	v.press("kill") // always real
	v.tells(editlockSide, "The server was killed")
	v.Wait(`document.querySelector("[data-do=kill]").title === ""`) // up again
}

// A message that is none, twice in a row: the second is sent when the page is back.
func TestMalformedTwice(t *testing.T) {
	t.Parallel()
	url, _ := start(t)
	v := visit(t, url)
	v.press("malformed")
	v.believes(usualSide, "Ana", phaseLost)
	v.Eval(`void (window.marked = 0, new MutationObserver(records => { marked += records.length }).observe(
		document.querySelector(".side[data-side=editlock] .pane[data-person=Ana]"), {attributeFilter: ["data-did"]}))`)
	v.press("malformed")
	v.Wait(`document.querySelector(".toast").innerText === "The usual design: the page has no connection on which it could send anything"`)
	v.Wait(`marked > 0`)
	v.settled(editlockSide)
	v.unharmed()
}
