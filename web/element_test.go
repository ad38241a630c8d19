package web_test

import (
	"testing"

	"github.com/editlock/editlock/internal/browser"
)

// article is a page with a form as an application would serve it.
func article(attributes, body string) string {
	return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Article 42</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<script type="module" src="/editlock/editlock.js"></script>
<style>body{font:16px system-ui;margin:24px auto;max-width:720px;padding:0 16px}label{display:block;margin:0 0 14px}
input[type=text],textarea{display:block;box-sizing:border-box;width:100%;font:inherit;padding:9px 11px;border:1px solid #c9cfda;border-radius:8px;margin-top:4px}</style>
</head><body><h1>Article 42</h1>
<edit-lock resource="article/42" ` + attributes + `>` + body + `</edit-lock></body></html>`
}

const form = `<form method="post" action="/save" id="f">
<input type="hidden" name="csrf" value="one">
<label>Title <input type="text" name="title" value="Snow"></label>
<label>Text <textarea name="text" rows="6">It snowed all night.</textarea></label>
<button name="go" value="1">Save</button> <button data-edit-lock-done>Save and close</button></form>`

const lockState = `document.querySelector("edit-lock").lock.snapshot.state`

func is(state string) string { return lockState + ` === "` + state + `"` }

func bar(p *browser.Page) string {
	return p.Text(`document.querySelector("edit-lock").shadowRoot.querySelector(".row").innerText`)
}

func TestFirstComesIn(t *testing.T) {
	p := newPeer(t)
	url := p.page("/article", article("", form))
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(is("held"))
	tab.Wait(`!document.querySelector("edit-lock").shadowRoot.querySelector(".content").inert`)
}
