package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/editlock/editlock/internal/browser"
)

// listening is a tab whose console can be read.
func listening(t *testing.T) *browser.Page {
	tab := chrome.Page(t)
	tab.BeforeScripts(`(() => { window.warned = []; window.wrong = [];
		console.warn = (...all) => warned.push(all.join(" ")); console.error = (...all) => wrong.push(all.join(" ")) })()`)
	return tab
}

// A form whose resource nobody named stays closed, and says so.
func TestResourceMissing(t *testing.T) {
	for name, element := range map[string]string{"absent": `<edit-lock refresh="none">`, "empty": `<edit-lock resource="" refresh="none">`} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t)
			tab := listening(t)
			tab.Open(p.page("/article", strings.Replace(article("", form), `<edit-lock resource="article/42" >`, element, 1)))
			tab.Wait(content + `.inert`)
			tab.Wait(says("resource is missing"))
			tab.Wait(`window.wrong.length === 1 && wrong[0].includes("resource")`)
			tab.Eval(`document.getElementById("f").requestSubmit()`)
			if at := tab.Text(`location.pathname`); at != "/article" {
				t.Errorf("it was sent to %s", at)
			}
			tab.Eval(lock + `.lang = "de"`)
			tab.Wait(says("Angabe resource fehlt"))
			// Named after all, by a script.
			tab.Eval(lock + `.setAttribute("resource", "article/42")`)
			tab.Wait(is("held") + ` && !` + content + `.inert`)
			tab.Eval(lock + `.removeAttribute("resource")`)
			tab.Wait(content + `.inert && window.wrong.length === 2`)
		})
	}
}

// Who did not get an access token is told whose fault it is: the log-in's only where it is. Faults: A1
func TestWhoseFaultIsIt(t *testing.T) {
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const noToken = "could not get an access token"
	for name, c := range map[string]struct {
		auth             http.HandlerFunc
		code, says, warn string
	}{
		"401":      {answer(401, "text/plain", "no"), "unauthenticated", "not logged in any more", "/tokens answered 401"},
		"403":      {answer(403, "text/plain", "no"), "unauthenticated", "not logged in any more", "/tokens answered 403"},
		"404":      {answer(404, "text/plain", "no"), "token_unavailable", noToken, "/tokens answered 404"},
		"500":      {answer(500, "text/plain", "no"), "token_unavailable", noToken, "/tokens answered 500"},
		"html":     {answer(200, "text/html", "<!doctype html><title>Log in</title>"), "token_unavailable", noToken, "/tokens answered 200, with HTML"},
		"json":     {answer(200, "application/json", `{"jwt": "s3cret"}`), "token_unavailable", noToken, "/tokens answered 200, without a token"},
		"half":     {answer(200, "application/json", `{"token": "s3cret`), "token_unavailable", noToken, "/tokens answered 200, without a token"},
		"redirect": {http.RedirectHandler("/login", http.StatusFound).ServeHTTP, "token_unavailable", noToken, "/login, with HTML"},
		"network": {func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				conn.Close()
			}
		}, "token_unavailable", noToken, "/tokens cannot be reached: TypeError"},
		"refused": {answer(200, "text/plain", "s3cret:Ben"), "token_refused", "does not accept this page’s access token", "/tokens: The signature is not ours. (token_refused)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t)
			p.do(func() {
				p.refuse["hello"] = message{"code": "unauthenticated", "message": "The signature is not ours."}
			})
			p.page("/login", `<!doctype html><title>Log in</title>`)
			p.serve("/tokens", c.auth)
			tab := listening(t)
			tab.Open(p.page("/article", article(`auth-url="/tokens"`, form)))
			tab.Wait(says(c.says))
			tab.Wait(lock + `.lock.snapshot.error?.code === "` + c.code + `" && ` + lock + `.lock.snapshot.error.message.includes("/tokens")`)
			tab.Click(button("retry"))
			tab.Wait(says(c.says))
			if warned := tab.Text(`warned.join("\n")`); !strings.Contains(warned, c.warn) || strings.Contains(warned, "\n") || strings.Contains(warned, "s3cret") {
				t.Errorf("the console was told %q", warned)
			}
			p.do(func() { delete(p.refuse, "hello") })
			p.serve("/tokens", answer(200, "application/json", `{"token": "7:Ben"}`))
			tab.Click(button("retry"))
			tab.Wait(is("held") + ` && ` + lock + `.lock.snapshot.error === null`)
		})
	}
}

// A token that was good and is refused now: the person is not logged in any more. Faults: A1
func TestTokenRefusedLater(t *testing.T) {
	t.Parallel()
	p, url := opened(t, "")
	tab := listening(t)
	tab.Open(url)
	tab.Wait(is("held"))
	p.do(func() {
		p.refuse["hello"] = message{"code": "unauthenticated", "message": "The access token has expired."}
	})
	p.cut(4200)
	tab.Wait(lock + `.lock.snapshot.error?.code === "unauthenticated" && warned.length === 1`)
	p.do(func() { delete(p.refuse, "hello") })
	tab.Wait(is("held") + ` && ` + lock + `.lock.snapshot.error === null`)
}

// What the server has against a name or a right is for the console; people are told in simple words.
func TestRefusalsAreForTheConsole(t *testing.T) {
	for code, text := range map[string]string{"bad_resource": "There is a mistake in this page", "bad_request": "Editing is not possible now", "forbidden": "You may read this, but not edit it"} {
		t.Run(code, func(t *testing.T) {
			p := newPeer(t)
			p.do(func() {
				p.refuse["acquire"] = message{"code": code, "message": "The server's own sentence."}
				p.refuse["watch"] = message{"code": code, "message": "And another one."}
			})
			tab := listening(t)
			tab.Open(p.page("/article", article("", form)))
			tab.Wait(says(text))
			refused := func(why string) { tab.Wait(lock + `.lock.snapshot.error?.message === "` + why + `"`) }
			refused("And another one.") // it is known by then, and nothing new
			tab.Wait(`warned.length === 1 && warned[0].includes("The server's own sentence.") && warned[0].includes("article/42")`)
			if shown := bar(tab); strings.Contains(shown, "sentence") {
				t.Errorf("the notice says %q", shown)
			}
			if again := tab.Eval(button("retry") + ` !== null`); again != (code == "bad_request") {
				t.Errorf("asking again is offered: %v", again)
			} else if code == "bad_request" {
				tab.Click(button("retry"))
				refused("The server's own sentence.")
			}
			p.do(func() { p.refuse["acquire"] = message{"code": code, "message": "It is something else."} })
			tab.Eval(lock + `.lock.acquire()`)
			refused("It is something else.")
			if said := tab.Text(`warned.join("\n")`); strings.Count(said, "sentence") != 1 || strings.Count(said, "\n") != 1 || !strings.Contains(said, "something else") {
				t.Errorf("the console was told %q", said)
			}
		})
	}
}

// Cut off for longer than the lease, nobody can be promised to save. Faults: W2
func TestCutOffForLong(t *testing.T) {
	p, url := opened(t, "")
	p.ttl, p.margin, p.heartbeat = 5, 4, 0.4 // in doubt after 1 s, and over after 5: time enough to see what is said meanwhile
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	p.do(func() { p.down = true })
	p.cut(0)
	tab.Wait(says("Go on typing. Saving waits until it is back."))
	tab.Wait(says("somebody else may have been let in meanwhile"))
	if tab.Eval(content+`.inert`) == true {
		t.Error("typing stopped")
	}
	p.do(func() { p.down = false })
	tab.Wait(is("held"))
}

// A connection that was refused twice from the start: the console says once what it may be. A server that was there before
// is only away. Faults: W1
func TestConnectionRefused(t *testing.T) {
	refused := func(t *testing.T, server string) {
		p := newPeer(t)
		tab := listening(t)
		tab.Open(p.page("/article", article(`auth-url="/editlock/token" server-url="`+server+`"`, form)))
		tab.Wait(says("The lock server cannot be reached"))
		tab.Wait(`warned.length === 1`)
		ws := "ws" + strings.TrimPrefix(tab.Text(`new URL("`+server+`", location).href`), "http") + "/v1/socket"
		want := "editlock: no connection to " + ws + " from a page of " + p.srv.URL + ". If the browser says 403, start the server with --origin " +
			p.srv.URL + "; if it says 404, check server-url or the proxy."
		if got := tab.Text(`warned[0]`); got != want {
			t.Errorf("the console says %q", got)
		}
		tab.Click(button("retry"))
		tab.Wait(lock + `.client.connection.unopened >= 3`)
		if n := tab.Eval(`warned.length`); n != 1.0 {
			t.Errorf("said %v times", n)
		}
	}
	t.Run("origin", func(t *testing.T) {
		t.Parallel()
		no := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "origin", http.StatusForbidden) }))
		defer no.Close()
		refused(t, no.URL+"/editlock")
	})
	t.Run("address", func(t *testing.T) {
		t.Parallel()
		refused(t, "/wrong")
	})
	t.Run("port", func(t *testing.T) {
		t.Parallel()
		gone := httptest.NewServer(http.NotFoundHandler())
		gone.Close()
		refused(t, gone.URL+"/editlock")
	})
	t.Run("later", func(t *testing.T) {
		t.Parallel()
		p, url := opened(t, "")
		tab := listening(t)
		tab.Open(url)
		tab.Wait(is("held"))
		p.do(func() { p.down = true })
		p.cut(0)
		tab.Wait(lock + `.client.connection.attempts > 3`)
		if n := tab.Eval(`warned.length`); n != 0.0 {
			t.Errorf("said %v times", n)
		}
	})
}

// A value that an attribute does not know is taken for the default, and the console says so once.
func TestUnknownValues(t *testing.T) {
	p := newPeer(t)
	tab := listening(t)
	tab.Open(p.page("/article", article(`start="auto" refresh="yes"`, form)))
	tab.Wait(is("held"))
	tab.Eval(lock + `.removeAttribute("resource"), ` + lock + `.setAttribute("resource", "article/42")`)
	tab.Wait(is("held"))
	want := `editlock: <edit-lock refresh="yes"> is taken as page. Allowed are page, event, none.
editlock: <edit-lock start="auto"> is taken as open. Allowed are open, edit, manual.`
	if got := tab.Text(`warned.sort().join("\n")`); got != want {
		t.Errorf("the console says %q", got)
	}
}
