package web_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A save that the application answers with the same page, the posted text in its field: it is not saved by that, and
// outlives the page until it is.
func TestPostedTextOutlivesThePage(t *testing.T) {
	const old = "It snowed all night."
	for _, status := range []int{http.StatusOK, http.StatusUnprocessableEntity, http.StatusConflict} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			p := newPeer(t)
			text, version, refused := old, "17", true
			show := func(w io.Writer, text, version string) {
				io.WriteString(w, article(`version="`+version+`"`, strings.Replace(form, old, text, 1)))
			}
			p.serve("/article", func(w http.ResponseWriter, _ *http.Request) { p.do(func() { show(w, text, version) }) })
			p.serve("/save", func(w http.ResponseWriter, r *http.Request) {
				p.do(func() {
					if refused {
						shown := version
						if status == http.StatusConflict {
							shown = "18" // somebody else's
						}
						w.WriteHeader(status)
						show(w, r.FormValue("text"), shown)
						return
					}
					text, version = r.FormValue("text"), "18"
					if status == http.StatusOK { // saved without a redirect: the version says so
						show(w, text, version)
					} else {
						http.Redirect(w, r, "/article", http.StatusSeeOther)
					}
				})
			})
			elsewhere := p.page("/elsewhere", `<!doctype html><title>elsewhere</title>`)
			tab := chrome.Page(t)
			send := func(want string) {
				tab.Eval(`window.old = true`)
				tab.Eval(`void document.getElementById("f").requestSubmit()`)
				tab.Wait(`!window.old && ` + is("held") + ` && ` + textarea + `.value === "` + want + `"`)
			}
			back := func() {
				tab.Open(elsewhere)
				tab.Open(p.srv.URL + "/article")
				tab.Wait(is("held"))
			}
			tab.Open(p.srv.URL + "/article")
			tab.Wait(is("held"))
			tab.Eval(textarea + `.focus(), ` + textarea + `.select()`)
			tab.Type("Mine")
			send("Mine")
			send("Mine") // once more, and nothing was typed in between
			back()
			tab.Wait(button("restore"))
			back() // looked at, and left again
			tab.Click(button("restore"))
			tab.Wait(textarea + `.value === "Mine"`)
			send("Mine")
			tab.Eval(textarea + `.focus()`)
			tab.Eval(textarea + `.setSelectionRange(99, 99)`)
			tab.Type(" own")
			send("Mine own")
			back()
			tab.Click(button("restore"))
			tab.Wait(textarea + `.value === "Mine own"`)

			p.do(func() { refused = false })
			send("Mine own")
			p.do(func() { text, version = "Hers", "19" })
			back()
			if got := tab.Text(textarea + `.value + "|" + JSON.stringify({...sessionStorage})`); !strings.HasPrefix(got, "Hers|") || strings.Contains(got, "editlock draft") {
				t.Errorf("saved, and still kept: %s", got)
			}
			if tab.Eval(lock+`.shadowRoot.querySelector(".drawer[data-open]") === null`) != true {
				t.Errorf("saved, and the page says %q", bar(tab))
			}
		})
	}
}
