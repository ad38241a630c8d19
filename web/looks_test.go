package web_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/editlock/editlock/internal/browser"
)

// still is true when nothing moves any more.
const still = `document.querySelector("edit-lock").shadowRoot.getAnimations().length === 0`

// TestLooks puts the element into every state, in every surrounding, and looks whether it fits. With EDITLOCK_SHOTS
// set to a directory, it leaves a picture of each there.
func TestLooks(t *testing.T) {
	dark := `<style>body{background:#12151b;color:#e6e9ef}input,textarea{background:#1b2029;color:inherit;border-color:#39404d!important}</style>`
	looks := []struct {
		name string
		look browser.Look
		html string
		attr string
	}{
		{"light", browser.Look{Width: 900, Height: 620, Scale: 1}, "", ""},
		{"dark", browser.Look{Width: 900, Height: 620, Scale: 1, Dark: true}, dark, ""},
		{"german", browser.Look{Width: 900, Height: 620, Scale: 1}, "", `lang="de"`},
		{"rtl", browser.Look{Width: 900, Height: 620, Scale: 1}, `<style>html{direction:rtl}</style>`, ""},
		{"wide phone", browser.Look{Width: 412, Height: 680, Scale: 2}, "", ""},
		{"middle phone", browser.Look{Width: 380, Height: 680, Scale: 2}, "", ""},
		{"phone", browser.Look{Width: 360, Height: 680, Scale: 2}, "", ""},
		{"narrow", browser.Look{Width: 280, Height: 680, Scale: 2}, "", `lang="de"`},
	}
	states := []struct {
		name, attr string
		set        func(*peer, *browser.Page)
	}{
		{"waiting", "", func(p *peer, tab *browser.Page) { tab.Wait(is("waiting")) }},
		{"second", "", func(p *peer, tab *browser.Page) {
			tab.Wait(is("waiting"))
			p.do(func() { th := p.thing("article/42"); th.queue = append([]string{"@Eve"}, th.queue...); p.tell(th) })
			tab.Wait(`document.querySelector("edit-lock").lock.snapshot.position === 2`)
		}},
		{"reading", `start="manual"`, func(p *peer, tab *browser.Page) { tab.Wait(is("watching")) }},
		{"turn", "", func(p *peer, tab *browser.Page) {
			tab.Wait(is("waiting"))
			p.free("article/42", "released", "")
			tab.Wait(is("held"))
		}},
		{"unsure", "", func(p *peer, tab *browser.Page) {
			p.free("article/42", "released", "")
			tab.Wait(is("held"))
			p.do(func() { p.mute, p.down = true, true })
			tab.Wait(is("unsure"))
			p.cut(0)
		}},
		{"lost", "", func(p *peer, tab *browser.Page) {
			tab.Wait(is("waiting"))
			p.free("article/42", "released", "")
			tab.Wait(is("held"))
			tab.Eval(`document.querySelector("textarea").focus()`)
			tab.Type(" And it went on.")
			p.take("article/42", "taken_over", "Ana")
			tab.Wait(is("lost"))
		}},
		{"draft", "", func(p *peer, tab *browser.Page) {
			p.free("article/42", "released", "")
			tab.Wait(is("held"))
			tab.Eval(`document.querySelector("textarea").focus()`)
			tab.Type("Mine. ")
			tab.Reload()
			tab.Wait(button("restore"))
		}},
		{"texts", "", func(p *peer, tab *browser.Page) {
			p.free("article/42", "released", "")
			tab.Wait(is("held"))
			write(tab, textarea, "It snowed all week, and the road to the pass was closed on Tuesday.")
			tab.Reload()
			tab.Wait(button("restore"))
			write(tab, textarea, "Rain.")
			tab.Wait(says("several texts") + ` || ` + says("mehrere Texte"))
		}},
		{"homeless", "", func(p *peer, tab *browser.Page) {
			p.free("article/42", "released", "")
			tab.Wait(is("held"))
			write(tab, textarea, "It snowed all week.")
			p.page("/article", article("", `<label>Title <input type="text" name="title" value="Snow"></label>`))
			tab.Reload()
			tab.Wait(button("copy"))
		}},
		{"others", "", func(p *peer, tab *browser.Page) {
			p.free("article/42", "released", "")
			tab.Wait(is("held"))
			p.do(func() { th := p.thing("article/42"); th.queue = []string{"@Eve", "@Zoe"}; p.tell(th) })
			tab.Wait(lock + `.lock.snapshot.waiting === 2`)
			tab.Wait(says("2 others are waiting"))
		}},
		{"failed", "", func(p *peer, tab *browser.Page) {
			tab.Wait(is("waiting"))
			p.serve("/article", nil)
			tab.Eval(`void (document.querySelector("edit-lock").setAttribute("refresh-url", "/gone"))`)
			p.free("article/42", "released", "")
			tab.Wait(is("watching"))
		}},
		{"unreachable", "", func(p *peer, tab *browser.Page) {
			p.do(func() {
				p.refuse["hello"] = message{"code": "unauthenticated", "message": "The access token has expired."}
			})
			tab.Reload()
			tab.Wait(`document.querySelector("edit-lock").shadowRoot.querySelector("[data-action=retry]")`)
		}},
	}
	for _, look := range looks {
		for _, state := range states {
			if look.name != "light" && state.name != "waiting" && state.name != "lost" && state.name != "turn" && state.name != "texts" {
				continue
			}
			t.Run(look.name+"/"+state.name, func(t *testing.T) {
				t.Parallel()
				p := newPeer(t)
				if state.name == "unsure" {
					p.ttl, p.margin, p.heartbeat = 2.5, 1, 5
				}
				p.give("article/42", "Ana Lindqvist")
				url := p.page("/article", look.html+article(look.attr+" "+state.attr, form))
				tab := chrome.Page(t)
				tab.Look(look.look)
				tab.Open(url)
				state.set(p, tab)
				tab.Wait(`document.querySelector("edit-lock").shadowRoot.querySelector(".drawer[data-open]")`)
				tab.Wait(still)
				tab.Wait(`document.documentElement.scrollWidth <= document.documentElement.clientWidth`)
				if dir := os.Getenv("EDITLOCK_SHOTS"); dir != "" {
					tab.Screenshot(filepath.Join(dir, look.name+"-"+state.name+".png"))
				}
			})
		}
	}
}

// Faults: B7. The same person in a second tab is told so, and can move the editing there.
func TestOwnOtherTab(t *testing.T) {
	p := newPeer(t)
	url := p.page("/article", article("", form))
	first := chrome.Page(t)
	first.Open(url)
	first.Wait(is("held"))
	second := first.Tab()
	second.Look(browser.Look{Width: 900, Height: 620, Scale: 1})
	second.Open(url)
	second.Wait(is("waiting"))
	second.Wait(`document.querySelector("edit-lock").shadowRoot.querySelector("[data-action=move]")`)
	if dir := os.Getenv("EDITLOCK_SHOTS"); dir != "" {
		second.Wait(still)
		second.Screenshot(filepath.Join(dir, "light-own.png"))
	}
	second.Click(`document.querySelector("edit-lock").shadowRoot.querySelector("[data-action=move]")`)
	second.Wait(is("held"))
	first.Wait(is("lost"))
	if text := bar(first); text == "" {
		t.Error("the first tab is told nothing")
	}
}
