package web_test

import "testing"

// What changes is said politely, once, and takes the focus from nobody.
func TestAnnouncements(t *testing.T) {
	p := newPeer(t)
	p.give("article/42", "Ana")
	tab := chrome.Page(t)
	tab.Open(p.page("/article", article(`lang="de"`, form)+`<input id="elsewhere">`))
	live := lock + `.shadowRoot.querySelector("[role=status][aria-live=polite]").textContent`
	tab.Wait(live + `.includes("Ana") && ` + live + `.includes("als Nächstes dran")`)
	tab.Eval(`document.getElementById("elsewhere").focus(), window.said = [], new MutationObserver(() => said.push(` + live + `))
		.observe(` + lock + `.shadowRoot.querySelector("[role=status]"), {childList: true})`)
	p.do(func() { th := p.thing("article/42"); th.queue = append(th.queue, "@Eve"); p.tell(th) })
	tab.Wait(lock + `.lock.snapshot.waiting === 2`)
	tab.Type("x")
	p.free("article/42", "released", "")
	tab.Wait(`said.at(-1)?.includes("Sie können jetzt bearbeiten")`)
	if tab.Eval(`said.some(s => s.includes("Ana"))`) == true {
		t.Errorf("said again: %v", tab.Eval(`said`))
	}
	tab.Type("y")
	if value := tab.Text(`document.activeElement.id + document.getElementById("elsewhere").value`); value != "elsewherexy" {
		t.Errorf("focus and keys: %q", value)
	}
	tab.Wait(is("held"))
	// Keyboard alone is enough, and every button has a name.
	if tab.Eval(`[...`+lock+`.shadowRoot.querySelectorAll("button")].every(b => b.innerText.trim() !== "")`) != true {
		t.Error("a button without a name")
	}
}
