package demo

import (
	"fmt"
	"testing"

	"github.com/editlock/editlock/internal/browser"
)

// On a phone nothing is wider than the screen, the facts have a line each, and a faded edge says that there are more buttons.
func TestOnAPhone(t *testing.T) {
	t.Parallel()
	url, _ := start(t)
	b := browser.Launch(t)
	v, other := visitor{t, b.Page(t)}, b.Page(t)
	narrow := func(p *browser.Page, width int64) {
		t.Helper()
		p.Look(browser.Look{Width: width, Height: 844})
		p.Wait(fmt.Sprintf(`innerWidth === %d && document.documentElement.scrollWidth === %[1]d`, width))
	}
	v.Open(url)
	v.begins()
	other.Open(url)
	other.Wait(sentence + ` !== ""`)
	for _, width := range []int64{320, 390} {
		narrow(other, width)
		narrow(v.Page, width)
		v.Eval(`void document.querySelector(".tools").scrollTo(0, 0)`)
		v.Wait(`document.querySelector(".tools").dataset.more === "right"`)
		v.Eval(`void document.querySelector(".tools").scrollTo(200, 0)`)
		v.Wait(`document.querySelector(".tools").dataset.more === "left right"`)
		v.Eval(`void document.querySelector(".tools").scrollTo(2000, 0)`)
		v.Wait(`document.querySelector(".tools").dataset.more === "left"`)
		v.Wait(`[...document.querySelectorAll(".who dd")].every(each => each.clientHeight < 32)`)
	}
	v.Eval(`void (window.side = document.querySelector(".side[data-side=usual]"), window.high = () => side.querySelector("header").clientHeight,
		window.heights = [high()], new MutationObserver(() => { if (side.dataset.up === "false") heights.push(high()) }).observe(side, {attributeFilter: ["data-up"]}))`)
	v.press("kill")
	v.Wait(`heights.length > 1`)
	if grows := v.Eval(`heights[1] !== heights[0]`); grows != false {
		t.Errorf("the heading changes its height while the server is down: %v", v.Eval(`heights`))
	}
	v.Look(browser.Look{Width: 1440, Height: 1000})
	v.Wait(`document.querySelector(".tools").dataset.more === ""`)
}

// However much the notice and a refusal take, six lines of the text are to be seen in a pane.
func TestTextInAPane(t *testing.T) {
	t.Parallel()
	url, _ := start(t)
	p := browser.Launch(t).Page(t)
	p.Look(browser.Look{Width: 235, Height: 200})
	p.Open(url + "articles/42?as=Ana&pane")
	p.Wait(`document.querySelector("edit-lock")?.dataset.state === "held"`)
	if lines := p.Eval(`(() => {
		const text = document.querySelector("textarea"), style = getComputedStyle(text);
		return (text.clientHeight - 2 * parseFloat(style.paddingTop)) / parseFloat(style.lineHeight);
	})()`).(float64); lines < 5.99 {
		t.Errorf("%v lines", lines)
	}
}
