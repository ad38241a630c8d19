package web_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Faults: B5. A reload resumes the session: same fence, nobody in between, nothing loaded over the page.
func TestReloadResumes(t *testing.T) {
	p, url := opened(t, "")
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	before := fence(p)
	loads := 0
	p.serve("/article", func(w http.ResponseWriter, _ *http.Request) {
		p.do(func() { loads++ })
		io.WriteString(w, article("", form))
	})
	tab.Reload()
	tab.Wait(is("held"))
	p.wait("a bye", func() bool { return p.byes == 1 })
	p.do(func() {
		if len(p.sessions) != 1 || p.thing("article/42").fence != before {
			t.Errorf("%d sessions, fence %d, was %d", len(p.sessions), p.thing("article/42").fence, before)
		}
		if loads != 1 {
			t.Errorf("a resumed lock loaded the page %d times", loads)
		}
	})
	// The tab goes somewhere else within the application: what it held is let go.
	tab.Open(p.page("/list", `<!doctype html><script type="module">import {editlock} from "/editlock/index.js";
		editlock.watch("article/", entries => window.n = entries.size)</script>`))
	tab.Wait(`window.n === 1`)
	p.wait("released", func() bool { return p.things["article/42"].holder == "" })
	tab.Wait(`window.n === 0`)
}

// A page that is reloaded before it has loaded as the holder has told the application nothing: it loads once more.
func TestReloadBeforeTheLoadHasEndedLoadsAgain(t *testing.T) {
	p := newPeer(t)
	var tokens []string
	hang := true
	p.serve("/article", func(w http.ResponseWriter, r *http.Request) {
		token, held := r.Header.Get("Lock-Token"), false
		p.do(func() {
			held = hang && token != ""
			tokens = append(tokens, token)
		})
		if held {
			<-r.Context().Done() // the page goes away before there is an answer
			return
		}
		io.WriteString(w, article("", form))
	})
	tab := chrome.Page(t)
	tab.Open(p.srv.URL + "/article")
	tab.Wait(is("refreshing"))
	p.wait("the load", func() bool { return len(tokens) == 2 })
	before := fence(p)
	p.do(func() { hang, tokens = false, nil })
	tab.Reload()
	tab.Wait(is("held"))
	p.do(func() {
		if len(tokens) != 2 || tokens[0] != "" || !strings.HasPrefix(tokens[1], "lock-token-") {
			t.Errorf("loaded with the tokens %q", tokens)
		}
		if p.thing("article/42").fence != before {
			t.Errorf("fence %d, was %d", p.thing("article/42").fence, before)
		}
		tokens = nil
	})
	tab.Reload()
	tab.Wait(is("held"))
	p.do(func() {
		if len(tokens) != 1 {
			t.Errorf("what was loaded is loaded again: %q", tokens)
		}
	})
}

// A form that is shown again with errors, in answer to its POST, keeps the posted text and the lock.
func TestFormWithErrorsKeepsItsText(t *testing.T) {
	p, url := opened(t, "")
	p.serve("/save", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, article("", `<form method="post" action="/save"><p>Too short.</p><textarea name="text">`+r.FormValue("text")+`</textarea></form>`))
	})
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	before := fence(p)
	tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
	tab.Type("Hm")
	tab.Click(`document.querySelector("[data-edit-lock-done]")`)
	tab.Wait(`document.querySelector("p")?.innerText === "Too short."`)
	tab.Wait(is("held"))
	if text := tab.Text(textarea + `.value`); text != "Hm" || fence(p) != before {
		t.Errorf("text %q, fence %d, was %d", text, fence(p), before)
	}
}
