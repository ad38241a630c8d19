package web_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/editlock/editlock/internal/browser"
)

const (
	title  = `document.querySelector("[name=title]")`
	notice = lock + `.shadowRoot.querySelector(".drawer[data-open]")`
	night  = "It snowed all night."
)

// write types over what is in a field.
func write(tab *browser.Page, field, text string) {
	tab.Eval(field + `.focus(), ` + field + `.select()`)
	tab.Type(text)
}

func putBack(tab *browser.Page) {
	tab.Wait(button("restore"))
	tab.Click(button("restore"))
}

func value(tab *browser.Page, field, want string) {
	tab.Wait(field + `.value === ` + "`" + want + "`")
}

// lose has somebody else take the lock and save a text, and then the page be let in again.
func (p *peer) lose(tab *browser.Page, save func()) {
	p.take("article/42", "taken_over", "Ana")
	tab.Wait(is("lost"))
	p.do(save)
	tab.Click(button("wait"))
	tab.Wait(is("waiting"))
	p.free("article/42", "released", "")
	tab.Wait(is("held"))
}

// shared is a page whose text others change.
func shared(p *peer) (url string, body *string) {
	body = new(string)
	*body = form
	p.serve("/article", func(w http.ResponseWriter, _ *http.Request) {
		p.do(func() { io.WriteString(w, article("", *body)) })
	})
	return p.srv.URL + "/article", body
}

// typed is such a page, on which "Mine" was typed and not saved.
func typed(t *testing.T) (p *peer, tab *browser.Page, url string, body *string) {
	p = newPeer(t)
	url, body = shared(p)
	tab = chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	write(tab, textarea, "Mine")
	return p, tab, url, body
}

func says43(text string) string { return strings.Replace(form, night, text, 1) }

// The first keystroke acquires, and what is typed until the application has loaded is there afterwards, whatever the
// application does to the fields.
func TestFirstKeystrokeOutlivesTheLoad(t *testing.T) {
	const set = `document.querySelector("textarea").value = "Hers"`
	hers := "document.querySelector('edit-lock').innerHTML = `" + says43("Hers") + "`"
	for _, way := range []struct{ name, load, offered string }{
		{"sets the value", set + `; yes()`, "Hers"},
		{"replaces the fields", hers + `; yes()`, "Hers"},
		{"shows it after the promise is kept", `yes(); setTimeout(() => { ` + set + ` }, 0)`, "Hers"},
		{"tells of it", set + `; document.querySelector("textarea").dispatchEvent(new Event("input", { bubbles: true })); yes()`, "Hers"},
		{"fails half way", set + `; no(new Error("half"))`, ""},
		{"replaces the fields by the same", "document.querySelector('edit-lock').innerHTML = `" + form + "`; yes()", ""},
		{"changes nothing", `yes()`, ""},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t)
			script := `<script>addEventListener("edit-lock-refresh", e => e.detail.waitUntil(new Promise((yes, no) => {
				window.load = () => { delete window.load; ` + way.load + ` } })))</script>`
			tab := chrome.Page(t)
			tab.Open(p.page("/article", article(`start="edit" refresh="event"`, form)+script))
			tab.Wait(is("watching"))
			write(tab, textarea, "Mine")
			tab.Wait(is("refreshing") + ` && window.load`)
			tab.Type(", too")
			tab.Eval(`window.load()`)
			if strings.HasPrefix(way.name, "fails") {
				tab.Wait(is("watching"))
				tab.Wait(button("retry"))
				tab.Click(button("retry"))
				tab.Wait(is("refreshing") + ` && window.load`)
				if n := p.count("acquire"); n != 2 {
					t.Errorf("asked for %d times: leaving the field is no typing", n)
				}
				tab.Eval(`delete window.load, ` + lock + `.lock.cancel()`)
				tab.Wait(is("watching"))
				if text := tab.Text(lock + `.keeper.text`); text != "Mine, too" {
					t.Errorf("kept: %q", text)
				}
				return
			}
			tab.Wait(is("held"))
			if way.offered == "" {
				value(tab, textarea, "Mine, too")
				if tab.Eval(button("restore")+` == null && `+lock+`.keeper.dirty`) != true {
					t.Error("what is in its field is offered, or counts as saved")
				}
				return
			}
			tab.Wait(button("restore"))
			value(tab, textarea, way.offered)
			putBack(tab)
			value(tab, textarea, "Mine, too")
		})
	}
}

// What the application has put into a field in the middle of its load is not what the person typed before.
func TestTypingOnIntoLoadedContent(t *testing.T) {
	p := newPeer(t)
	script := `<script>addEventListener("edit-lock-refresh", e => e.detail.waitUntil(new Promise(yes => { window.yes = yes })))</script>`
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article(`start="edit" refresh="event"`, form)+script))
	tab.Wait(is("watching"))
	write(tab, textarea, "Mine")
	tab.Wait(is("refreshing") + ` && window.yes`)
	tab.Eval(textarea + `.value = "Hers"`)
	tab.Type("!")
	tab.Eval(`window.yes()`)
	tab.Wait(is("held"))
	value(tab, textarea, "Hers!")
	putBack(tab)
	value(tab, textarea, "Mine")
	putBack(tab)
	value(tab, textarea, "Hers!")
}

// A framework that looks at the value of its fields itself is told of the text that is put back.
func TestPutBackReachesControlledFields(t *testing.T) {
	p, tab, _, body := typed(t)
	p.lose(tab, func() { *body = says43("Hers") })
	tab.Wait(button("restore"))
	tab.Eval(`(() => { const field = ` + textarea + `, real = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")
		let seen = field.value
		Object.defineProperty(field, "value", { configurable: true, get() { return real.get.call(this) }, set(v) { seen = v; real.set.call(this, v) } })
		field.addEventListener("input", () => { if (field.value !== seen) { seen = field.value; window.told = seen } }) })()`)
	putBack(tab)
	tab.Wait(`window.told === "Mine"`)
}

// A second loss takes nothing from what was kept of the first.
func TestSecondLossKeepsTheFirst(t *testing.T) {
	p, tab, _, body := typed(t)
	p.lose(tab, func() { *body = says43("Hers") })
	tab.Wait(button("restore"))
	write(tab, title, "Rain")
	p.lose(tab, func() {})
	value(tab, title, "Rain")
	value(tab, textarea, "Hers")
	putBack(tab)
	value(tab, textarea, "Mine")
	value(tab, title, "Rain")
}

// Of one field both texts are kept, copied, and put back one after the other.
func TestTwoTextsOfOneField(t *testing.T) {
	p, tab, url, body := typed(t)
	p.lose(tab, func() { *body = says43("Hers") })
	tab.Wait(button("restore"))
	write(tab, textarea, "Rain")
	p.lose(tab, func() { *body = says43("Hers again") })
	value(tab, textarea, "Hers again")
	tab.Wait(says("several texts of one field"))
	tab.Eval(`navigator.clipboard.writeText = async text => { window.copied = text }`)
	tab.Click(button("copy"))
	tab.Wait(`window.copied?.includes("Mine") && window.copied.includes("Rain")`)
	for _, next := range []string{"Rain", "Mine", "Rain", "Mine"} {
		putBack(tab)
		value(tab, textarea, next)
	}
	// Left and come back: both are there yet.
	tab.Open(p.page("/elsewhere", `<!doctype html><title>elsewhere</title>`))
	tab.Open(url)
	tab.Wait(is("held"))
	for range 2 {
		putBack(tab)
		tab.Wait(textarea + `.value !== "Hers again"`)
		tab.Eval(`(window.seen ??= []).push(` + textarea + `.value)`)
	}
	if seen := tab.Text(`window.seen.sort().join()`); seen != "Mine,Rain" {
		t.Errorf("after the page was left: %s", seen)
	}
}

// Text whose field is gone stays kept, and the person is told and can copy it.
func TestTextWithoutItsFieldStays(t *testing.T) {
	p, tab, url, body := typed(t)
	write(tab, title, "Rain")
	p.lose(tab, func() {
		*body = `<form method="post" action="/save" id="f"><input type="text" name="title" value="Hail"><button name="go">Save</button></form>`
	})
	putBack(tab)
	value(tab, title, "Rain")
	tab.Wait(says("is not in this form any more"))
	if tab.Eval(button("restore")) != nil {
		t.Error("a button offers what cannot be done")
	}
	tab.Eval(`navigator.clipboard.writeText = async text => { window.copied = text }`)
	tab.Click(button("copy"))
	tab.Wait(`window.copied === "Mine"`)
	// A save of the others does not take it.
	tab.Eval(lock + `.saved({ version: "18" })`)
	tab.Wait(says("is not in this form any more"))
	tab.Open(p.page("/elsewhere", `<!doctype html><title>elsewhere</title>`))
	p.do(func() { *body = form })
	tab.Open(url)
	tab.Wait(is("held"))
	putBack(tab)
	value(tab, textarea, "Mine")
}

// What was typed meanwhile gives way at the press of the button, and is offered in turn.
func TestPutBackKeepsWhatItOverwrites(t *testing.T) {
	p, tab, _, body := typed(t)
	p.lose(tab, func() { *body = says43("Hers") })
	tab.Wait(button("restore"))
	write(tab, textarea, "Other")
	tab.Wait(says("several texts of one field"))
	putBack(tab)
	value(tab, textarea, "Mine")
	putBack(tab)
	value(tab, textarea, "Other")
}

// A save counts for what was in the form, and not for what was offered beside it.
func TestSaveKeepsWhatWasNotInTheForm(t *testing.T) {
	p := newPeer(t)
	url, body := shared(p)
	p.serve("/save", func(w http.ResponseWriter, r *http.Request) {
		p.do(func() { *body = says43(r.FormValue("text")) })
		http.Redirect(w, r, "/article", http.StatusSeeOther)
	})
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	write(tab, textarea, "Mine")
	p.lose(tab, func() { *body = says43("Hers") })
	tab.Wait(button("restore"))
	write(tab, textarea, "Other")
	tab.Eval(`window.old = true`)
	tab.Eval(`void document.getElementById("f").requestSubmit()`)
	tab.Wait(`!window.old && ` + is("held"))
	value(tab, textarea, "Other")
	putBack(tab)
	value(tab, textarea, "Mine")
	if text := tab.Text(lock + `.keeper.text`); text != "Mine" {
		t.Errorf("what was saved is kept: %q", text)
	}
}
