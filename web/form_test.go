package web_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/editlock/editlock/internal/browser"
)

const (
	lock     = `document.querySelector("edit-lock")`
	content  = lock + `.shadowRoot.querySelector(".content")`
	textarea = `document.querySelector("textarea")`
)

func button(action string) string {
	return lock + `.shadowRoot.querySelector("[data-action=` + action + `]")`
}

// receive waits for what the application was sent.
func receive(t *testing.T, from <-chan string) string {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was sent")
		return ""
	}
}

func says(text string) string {
	return lock + `.shadowRoot.querySelector(".drawer[data-open] .row")?.innerText.includes("` + text + `")`
}

// Waiting must not let anything through: not a re-render of the form, not Ctrl+S, not requestSubmit(), not controls
// outside that are tied to the form.
func TestWaitingLetsNothingThrough(t *testing.T) {
	p := newPeer(t)
	p.give("article/42", "Ana")
	saves := 0
	p.serve("/save", func(http.ResponseWriter, *http.Request) { p.do(func() { saves++ }) })
	outside := `<button id="outside" form="f" name="go">Save</button><input id="note" form="f" name="note" value="old">
<select id="pick" form="f" name="pick"><option>a<option>b</select><input id="tick" type="checkbox" form="f">
<script>window.own = 0; addEventListener("keydown", e => { if (e.ctrlKey && e.key === "s") { window.own++; e.preventDefault() } })
addEventListener("submit", () => window.own++)</script>`
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article("", form)+outside))
	tab.Wait(is("waiting"))
	tab.Wait(says("Ana is editing this"))

	tab.Eval(lock + `.innerHTML = ` + "`" + form + "`")
	tab.Eval(lock + `.removeAttribute("inert"), ` + lock + `.inert = false`)
	tab.Eval(textarea + `.focus()`)
	if tab.Eval(`document.activeElement === `+textarea) == true {
		t.Error("a re-rendered form can be focused while waiting")
	}
	tab.Eval(`document.getElementById("f").requestSubmit()`)
	tab.Eval(`document.querySelector("edit-lock button").click()`)
	tab.Press("s", browser.Ctrl)
	tab.Click(`document.getElementById("outside")`)
	tab.Eval(`document.getElementById("note").focus()`)
	tab.Type("new")
	tab.Click(`document.getElementById("tick")`)
	tab.Press("s", browser.Ctrl)
	if own := tab.Eval(`window.own`); own != 0.0 {
		t.Errorf("the page's own handlers ran %v times", own)
	}
	if note := tab.Eval(`document.getElementById("note").value`); note != "old" {
		t.Errorf("a field outside took input: %v", note)
	}
	if tab.Eval(`document.getElementById("tick").checked`) != false {
		t.Error("a box outside was ticked")
	}
	if url := tab.Text(`location.pathname`); url != "/article" {
		t.Errorf("the page went to %s", url)
	}
	p.do(func() {
		if saves != 0 {
			t.Errorf("%d saves came through", saves)
		}
	})

	// The same, once it is held, is let through, with the token of the lock.
	p.free("article/42", "released", "")
	tab.Wait(is("held"))
	posted := make(chan string, 1)
	p.serve("/save", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posted <- string(body)
	})
	tab.Press("s", browser.Ctrl)
	if own := tab.Eval(`window.own`); own != 1.0 {
		t.Errorf("Ctrl+S of the page ran %v times while held", own)
	}
	tab.Eval(`void document.getElementById("f").requestSubmit()`)
	if body := receive(t, posted); !strings.Contains(body, "lock_token=lock-token-") {
		t.Errorf("saved without the lock token: %s", body)
	}
}

// A form that is sent by GET would put the token into an address.
func TestNoTokenInAddress(t *testing.T) {
	p := newPeer(t)
	seen := make(chan string, 1)
	p.serve("/search", func(w http.ResponseWriter, r *http.Request) { seen <- r.URL.RawQuery })
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article("", `<form action="/search"><input name="q" value="snow"><button>Go</button></form>`)))
	tab.Wait(is("held"))
	tab.Click(`document.querySelector("edit-lock button")`)
	if query := receive(t, seen); query != "q=snow" {
		t.Errorf("query %q", query)
	}
}

// The one let in sees what was saved last, although the application's first answer is old.
func TestLetInWithFreshContent(t *testing.T) {
	p := newPeer(t)
	p.give("article/42", "Ana")
	loads, heads := 0, []string{}
	p.serve("/article", func(w http.ResponseWriter, r *http.Request) {
		p.do(func() {
			loads++
			version, body := "17", form
			if loads > 2 {
				version, body = "18", strings.NewReplacer("all night", "all week", `value="one"`, `value="two"`).Replace(form)
			}
			if loads > 1 {
				heads = append(heads, r.Header.Get("Lock-Token"))
			}
			io.WriteString(w, article(`version="`+version+`"`, body))
		})
	})
	tab := chrome.Page(t)
	tab.Open(p.srv.URL + "/article")
	tab.Wait(is("waiting"))
	p.free("article/42", "released", "18")
	tab.Wait(is("held"))
	if text := tab.Text(textarea + `.value`); text != "It snowed all week." {
		t.Errorf("let in with %q", text)
	}
	if csrf := tab.Text(`document.querySelector("[name=csrf]").value`); csrf != "two" {
		t.Errorf("hidden field %q", csrf)
	}
	if version := tab.Text(lock + `.getAttribute("version")`); version != "18" {
		t.Errorf("version %q", version)
	}
	p.do(func() {
		if len(heads) < 2 || !strings.HasPrefix(heads[0], "lock-token-") {
			t.Errorf("loaded with the tokens %q", heads)
		}
	})
	tab.Wait(says("You can edit now"))
}

// Content that stays old is not given to anybody: the lock goes back, and the page says why.
func TestStaleContentIsNotEdited(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.give("article/42", "Ana")
	url := p.page("/article", article(`version="17"`, form))
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("waiting"))
	p.free("article/42", "released", "18")
	tab.Wait(is("watching"))
	tab.Wait(says("The latest version could not be loaded"))
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
	if tab.Eval(content+`.inert`) != true {
		t.Error("the old content can be edited")
	}
}

// Faults: A13
func TestScriptInNameIsText(t *testing.T) {
	p := newPeer(t)
	p.give("article/42", `<img src=x onerror="window.hit=1"><script>window.hit=1</script>`)
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article("", form)))
	tab.Wait(is("waiting"))
	tab.Wait(says(`<img src=x onerror=`))
	if tab.Eval(`window.hit === undefined && `+lock+`.shadowRoot.querySelector("img, script") === null`) != true {
		t.Error("the name was taken for markup")
	}
}

// Stopping and asking again, by keyboard: the focus stays in the notice.
func TestStopWaitingAndAskAgain(t *testing.T) {
	p := newPeer(t)
	p.give("article/42", "Ana")
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article("", form)))
	tab.Wait(is("waiting"))
	tab.Wait(button("stop"))
	tab.Type(browser.Tab)
	tab.Wait(lock + `.shadowRoot.activeElement?.dataset.action === "stop"`)
	tab.Type(browser.Enter)
	tab.Wait(is("watching"))
	p.wait("out of the line", func() bool { return len(p.things["article/42"].queue) == 0 })
	tab.Wait(lock + `.shadowRoot.activeElement?.dataset.action === "wait"`)
	tab.Type(browser.Enter)
	tab.Wait(is("waiting"))
	p.wait("in the line", func() bool { return len(p.things["article/42"].queue) == 1 })
}

// The first keystroke acquires, and is there when the page has the lock.
func TestFirstKeystrokeAcquires(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article(`start="edit"`, form)))
	tab.Wait(is("watching"))
	if n := p.count("acquire"); n != 0 {
		t.Fatalf("acquired %d times before anything was typed", n)
	}
	tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
	tab.Type("Rain.")
	tab.Wait(is("held"))
	tab.Type(" And wind.")
	if text := tab.Text(textarea + `.value`); text != "Rain. And wind." {
		t.Errorf("typed text became %q", text)
	}
}

// Somebody else was faster: what was typed is kept over the waiting. Where nobody changed anything it goes back by
// itself, the rest is offered.
func TestTypedTextOutlivesWaiting(t *testing.T) {
	p := newPeer(t)
	body := form
	p.serve("/article", func(w http.ResponseWriter, r *http.Request) {
		p.do(func() { io.WriteString(w, article(`start="edit"`, body)) })
	})
	tab := chrome.Page(t)
	tab.Open(p.srv.URL + "/article")
	tab.Wait(is("watching"))
	p.do(func() {
		th := p.thing("article/42")
		th.holder, th.fence, th.confirmed = "@Ana", 5, true // and the page has not heard of it yet
	})
	tab.Eval(`document.querySelector("[name=title]").select()`)
	tab.Type("R")
	tab.Wait(is("waiting"))
	tab.Wait(content + `.inert`)
	p.do(func() { body = strings.Replace(form, "all night", "all week", 1) })
	p.free("article/42", "released", "")
	tab.Wait(is("held"))
	tab.Wait(says("Your unsaved text is back in the form."))
	if got := tab.Text(`document.querySelector("[name=title]").value + "|" + ` + textarea + `.value`); got != "R|It snowed all week." {
		t.Errorf("after waiting: %q", got)
	}
}

func TestLostTextIsOfferedBack(t *testing.T) {
	p := newPeer(t)
	body := form
	p.serve("/article", func(w http.ResponseWriter, r *http.Request) {
		p.do(func() { io.WriteString(w, article("", body)) })
	})
	tab := chrome.Page(t)
	tab.Open(p.srv.URL + "/article")
	tab.Wait(is("held"))
	tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
	tab.Type("Mine")
	p.take("article/42", "taken_over", "Ana")
	tab.Wait(is("lost"))
	tab.Wait(says("Your text is still here"))
	tab.Wait(`getComputedStyle(` + content + `).opacity === "0.75"`) // closed, and to be read
	if text := tab.Text(textarea + `.value`); text != "Mine" || tab.Eval(content+`.inert`) != true {
		t.Errorf("after the loss: %q", text)
	}
	tab.Eval(`navigator.clipboard.writeText = async text => { window.copied = text }`)
	tab.Click(button("copy"))
	tab.Wait(`window.copied === "Mine"`)
	p.do(func() { body = strings.Replace(form, "It snowed all night.", "Hers", 1) })
	tab.Click(button("wait"))
	tab.Wait(is("waiting"))
	p.free("article/42", "released", "")
	tab.Wait(is("held"))
	if text := tab.Text(textarea + `.value`); text != "Hers" {
		t.Errorf("let in with %q", text)
	}
	tab.Click(button("restore"))
	tab.Wait(textarea + `.value === "Mine"`)
}

// Faults: B3. Over by time, and nobody wants it: taken back by itself, with fresh content, and the text is still there.
func TestOverByTimeIsTakenBack(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article("", form)))
	tab.Wait(is("held"))
	tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
	tab.Type("Mine")
	before := tab.Eval(lock + `.lock.snapshot.fence`)
	p.free("article/42", "expired", "")
	tab.Wait(is("held") + ` && ` + lock + `.lock.snapshot.fence !== ` + fmt.Sprint(int64(before.(float64))))
	if text := tab.Text(textarea + `.value`); text != "Mine" {
		t.Errorf("the text became %q", text)
	}
}

// A removal and re-insertion within one task is a move, of the same element or of a new one.
func TestMoveLosesNothing(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article("", form)))
	tab.Wait(is("held"))
	tab.Eval(`(() => { const e = ` + lock + `; e.remove(); document.body.append(e);
		const again = e.cloneNode(true); e.replaceWith(again) })()`)
	tab.Wait(is("held"))
	tab.Eval(`new Promise(done => setTimeout(done, 50))`)
	if n := p.count("release") + p.count("cancel"); n != 0 || p.count("acquire") != 1 {
		t.Errorf("said %v", p.said())
	}
	tab.Eval(lock + `.remove()`)
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
}

// "Save and close" of a page that saves by itself.
func TestDoneReleases(t *testing.T) {
	p := newPeer(t)
	script := `<script>addEventListener("submit", e => { e.preventDefault(); document.querySelector("edit-lock").saved({version: "18"}) })</script>`
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article("", form)+script))
	tab.Wait(is("held"))
	tab.Click(`document.querySelector("[name=go]")`)
	p.wait("the others are told", func() bool { return p.things["article/42"].version == "18" })
	tab.Wait(is("held"))
	tab.Click(`document.querySelector("[data-edit-lock-done]")`)
	tab.Wait(is("watching"))
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
}

// refresh="event": the page stays inert until the application's promise is kept, and gives the lock back when it is not.
func TestRefreshByEvent(t *testing.T) {
	p := newPeer(t)
	p.give("article/42", "Ana")
	script := `<script>addEventListener("edit-lock-refresh", e => { window.asked = e.detail;
		e.detail.waitUntil(new Promise((yes, no) => { window.yes = yes; window.no = no })) })</script>`
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article(`refresh="event"`, form)+script))
	tab.Wait(is("waiting"))
	p.free("article/42", "released", "18")
	tab.Wait(is("refreshing") + ` && window.asked.version === "18" && window.asked.headers["Lock-Token"]`)
	if tab.Eval(content+`.inert`) != true {
		t.Error("it can be edited before the content is there")
	}
	tab.Eval(`window.no(new Error("no such article"))`)
	tab.Wait(is("watching"))
	tab.Wait(says("no such article"))
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
	tab.Eval(`delete window.asked`)
	tab.Click(button("retry"))
	tab.Wait(`window.asked`)
	tab.Eval(`window.yes()`)
	tab.Wait(is("held"))
}

// A page with a strict content policy and Trusted Types: the notice has its looks, and fresh content comes in.
func TestStrictContentPolicy(t *testing.T) {
	p := newPeer(t)
	p.give("article/42", "Ana")
	body := form
	p.serve("/article", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; form-action 'self'; "+
			"require-trusted-types-for 'script'; trusted-types editlock")
		p.do(func() { io.WriteString(w, article("", body)) })
	})
	tab := chrome.Page(t)
	tab.Open(p.srv.URL + "/article")
	tab.Wait(is("waiting"))
	tab.Wait(`getComputedStyle(` + lock + `.shadowRoot.querySelector(".bar")).borderRadius === "12px"`)
	p.do(func() { body = strings.Replace(form, "all night", "all week", 1) })
	p.free("article/42", "released", "")
	tab.Wait(is("held") + ` && ` + textarea + `.value === "It snowed all week."`)
}
