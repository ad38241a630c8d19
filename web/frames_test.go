package web_test

import "testing"

// A frame that has a name is found again by it, though its place among the frames is another: the one before it was taken
// away. Faults: B5.
func TestNamedFrameResumes(t *testing.T) {
	p := newPeer(t)
	p.page("/one", article("", form))
	p.page("/two", `<!doctype html><script type="module" src="/editlock/editlock.js"></script><edit-lock resource="article/7">`+form+`</edit-lock>`)
	url := p.page("/frames", `<!doctype html><iframe name="one" src="/one"></iframe><iframe name="two" src="/two"></iframe>`)
	held := `.document.querySelector("edit-lock")?.lock?.snapshot.state === "held"`
	tab := chrome.Page(t)
	tab.Open(url)
	tab.Wait(`frames.one` + held + ` && frames.two` + held)
	var before int64
	p.do(func() { before = p.thing("article/7").fence })
	tab.Eval(`void document.querySelector("iframe").remove()`)
	p.wait("a bye of the frame that was taken away", func() bool { return p.byes == 1 })
	tab.Eval(`void (frames.two.old = true, frames.two.location.reload())`)
	tab.Wait(`!frames.two.old && frames.two` + held)
	p.do(func() {
		if p.thing("article/7").fence != before || len(p.sessions) != 2 {
			t.Errorf("%d sessions, fence %d, was %d", len(p.sessions), p.thing("article/7").fence, before)
		}
	})
}
