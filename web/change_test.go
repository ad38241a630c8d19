package web_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/editlock/editlock/internal/browser"
)

const secret = "Secret of 42"

// page43 is a page of the other record, whose text is given; a router would show it under its own address.
func page43(p *peer, text string) {
	p.page("/43", strings.Replace(article(`version="3"`, says43(text)), "article/42", "article/43", 1))
}

const to43 = `void (history.pushState({}, "", "/43"), document.querySelector("edit-lock").setAttribute("resource", "article/43"))`

// held holds an answer back until it is let go, or nobody waits for it.
func held(r *http.Request, let <-chan struct{}) {
	select {
	case <-let:
	case <-r.Context().Done():
	}
}

func stored(tab *browser.Page, resource string) string {
	return tab.Text(`sessionStorage.getItem("editlock draft ` + resource + `") ?? ""`)
}

// An element that is made to edit another record takes nothing of the first one along, and loses nothing of it.
func TestAnotherResource(t *testing.T) {
	for _, from := range []string{"held", "lost"} {
		for _, other := range []string{night, "Of 43"} {
			t.Run(from+"/"+other, func(t *testing.T) {
				t.Parallel()
				p := newPeer(t)
				page43(p, other)
				tab := chrome.Page(t)
				tab.Open(p.page("/article", article(`version="17"`, form)))
				tab.Wait(is("held"))
				write(tab, textarea, secret)
				if from == "lost" {
					p.take("article/42", "taken_over", "Ana")
					tab.Wait(is("lost"))
				}
				tab.Eval(`(() => { window.open43 = []; ` + to43 + `; new MutationObserver(() => {
					if (!` + content + `.inert) open43.push(` + textarea + `.value) }).observe(` + content + `, { attributes: true }) })()`)
				tab.Wait(`open43.length && ` + is("held") + ` && ` + lock + `.lock.resource === "article/43"`)
				if got := tab.Text(`open43.join()`); got != other {
					t.Errorf("43 opened with %q", got)
				}
				if tab.Eval(lock+`.keeper.dirty || `+lock+`.keeper.holds`) != false {
					t.Error("text of 42 is kept for 43")
				}
				if got := stored(tab, "article/42"); !strings.Contains(got, secret) {
					t.Errorf("stored of 42: %q", got)
				}
				// Back at 42 it is offered.
				p.do(func() {
					th := p.thing("article/42")
					if th.holder == "@Ana" {
						p.end(th, "released", "", true)
					}
				})
				tab.Eval(`history.pushState({}, "", "/article"), ` + lock + `.setAttribute("resource", "article/42")`)
				putBack(tab)
				value(tab, textarea, secret)
				if got := stored(tab, "article/43"); got != "" {
					t.Errorf("stored of 43: %q", got)
				}
			})
		}
	}
}

// An application that shows the other record itself, before or after it names it.
func TestAnotherResourceByEvent(t *testing.T) {
	const set = `document.querySelector("textarea").value = "Of 43"; `
	for _, way := range []struct{ name, change, load string }{
		{"before", set + to43, ``},
		{"before, and tells of it", set + `document.querySelector("textarea").dispatchEvent(new Event("input", { bubbles: true })); ` + to43, ``},
		{"new fields before", "document.querySelector('edit-lock').innerHTML = `" + says43("Of 43") + "`; " + to43, ``},
		{"after", to43, set},
		{"while it is out of the page", `const e = document.querySelector("edit-lock"); e.remove(); ` + set[:0] + `e.setAttribute("resource", "article/43"); document.body.append(e)`, set},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t)
			script := `<script>addEventListener("edit-lock-refresh", e => e.detail.waitUntil((async () => {
				if (document.querySelector("edit-lock").resource === "article/43") { ` + way.load + ` window.loaded = true } })()))</script>`
			tab := chrome.Page(t)
			tab.Open(p.page("/article", article(`refresh="event"`, form)+script))
			tab.Wait(is("held"))
			write(tab, textarea, secret)
			tab.Eval(`(() => { ` + way.change + ` })()`)
			tab.Wait(lock + `.lock.resource === "article/43" && ` + is("held") + ` && window.loaded && !` + content + `.inert`)
			value(tab, textarea, "Of 43")
			if tab.Eval(lock+`.keeper.dirty || `+lock+`.keeper.holds`) != false {
				t.Error("text is kept for 43")
			}
			if got := stored(tab, "article/42"); !strings.Contains(got, secret) || strings.Contains(got, "Of 43") {
				t.Errorf("stored of 42: %q", got)
			}
		})
	}
}

// Also a lock that the page has already does not open a form that shows another record.
func TestAnotherResourceThatIsHeldAlready(t *testing.T) {
	p := newPeer(t)
	let := make(chan struct{})
	p.serve("/43", func(w http.ResponseWriter, r *http.Request) {
		held(r, let)
		io.WriteString(w, strings.Replace(article("", says43("Of 43")), "article/42", "article/43", 1))
	})
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article("", form)+`<script type="module">import { editlock } from "/editlock/editlock.js";
		window.other = editlock.open("article/43")</script>`))
	tab.Wait(is("held") + ` && window.other?.snapshot.state === "held"`)
	write(tab, textarea, secret)
	saves := 0
	p.serve("/save", func(http.ResponseWriter, *http.Request) { p.do(func() { saves++ }) })
	tab.Eval(to43)
	if got := tab.Eval(content + `.inert + " " + ` + lock + `.permit() + " " + ` + lock + `.token()`); got != "true refuse null" {
		t.Errorf("before 43 is loaded: %v", got)
	}
	tab.Eval(`void document.getElementById("f").requestSubmit()`)
	close(let)
	tab.Wait(is("held") + ` && !` + content + `.inert`)
	value(tab, textarea, "Of 43")
	p.do(func() {
		if saves != 0 {
			t.Error("42 was saved as 43")
		}
	})
}

// A load that comes late does not get into another record's form.
func TestLateLoadOfAnotherResource(t *testing.T) {
	p := newPeer(t)
	page43(p, "Of 43")
	let := make(chan struct{})
	loads := 0
	p.serve("/article", func(w http.ResponseWriter, r *http.Request) {
		late := false
		p.do(func() { loads++; late = loads > 1 })
		if late {
			held(r, let)
		}
		io.WriteString(w, article(`version="17"`, says43("Late of 42")))
	})
	tab := chrome.Page(t)
	tab.Open(p.srv.URL + "/article")
	p.wait("the load", func() bool { return loads > 1 })
	p.do(func() { p.refuse["release"] = message{"code": "unavailable"} }) // so that the load is not given up with the lock
	tab.Eval(to43)
	tab.Wait(is("held") + ` && ` + lock + `.lock.resource === "article/43" && !` + content + `.inert`)
	close(let)
	tab.Wait(`performance.getEntriesByName(location.origin + "/article").some(entry => entry.initiatorType === "fetch" && entry.responseEnd > 0)`)
	tab.Eval(`new Promise(done => setTimeout(done, 50))`)
	value(tab, textarea, "Of 43")
	if got := tab.Text(lock + `.getAttribute("version")`); got != "3" {
		t.Errorf("version %q", got)
	}
}

// A router takes the element out for good, without a pagehide: what was typed is offered when it is back.
func TestRemovedElementKeepsText(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article("", form)))
	tab.Wait(is("held"))
	write(tab, textarea, "Mine")
	tab.Eval(`(() => { window.fresh = document.createElement("edit-lock"); fresh.setAttribute("resource", "article/42");
		fresh.innerHTML = ` + "`" + form + "`" + `; ` + lock + `.remove() })()`)
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
	tab.Eval(`document.body.append(window.fresh)`)
	tab.Wait(is("held"))
	putBack(tab)
	value(tab, textarea, "Mine")
	// Replaced within one task by a new one, as a morph or a key does, the text is offered there.
	tab.Eval(`(() => { const fresh = document.createElement("edit-lock"); fresh.setAttribute("resource", "article/42");
		fresh.innerHTML = ` + "`" + form + "`" + `; ` + lock + `.replaceWith(fresh) })()`)
	putBack(tab)
	value(tab, textarea, "Mine")
	if n := p.count("acquire"); n != 2 {
		t.Errorf("%d acquires", n)
	}
}

// A move within one task loses nothing and offers nothing, of the element itself or of a copy of it.
func TestMoveOffersNothing(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article("", form)))
	tab.Wait(is("held"))
	write(tab, textarea, "Mine")
	quiet := func(what string) {
		t.Helper()
		tab.Eval(`new Promise(done => setTimeout(done, 50))`)
		value(tab, textarea, "Mine")
		tab.Wait(lock + `.keeper.dirty`)
		if tab.Eval(lock+`.keeper.holds || `+notice+` !== null || `+content+`.inert`) != false {
			t.Errorf("after %s the page says %q", what, bar(tab))
		}
	}
	tab.Eval(`(() => { const e = ` + lock + `; e.remove(); document.body.append(e) })()`)
	quiet("a move")
	tab.Eval(`(() => { const e = ` + lock + `; e.replaceWith(e.cloneNode(true)) })()`)
	quiet("a copy")
	tab.Eval(lock + `.saved()`)
	tab.Eval(`(() => { const e = ` + lock + `; e.remove(); document.body.append(e) })()`)
	if got := stored(tab, "article/42"); got != "" {
		t.Errorf("saved, and stored: %q", got)
	}
	if n := p.count("release") + p.count("cancel"); n != 0 || p.count("acquire") != 1 {
		t.Errorf("said %v", p.said())
	}
}
