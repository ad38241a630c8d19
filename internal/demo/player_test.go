package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/editlock/editlock/internal/browser"
)

// watch opens the events of a window. The returned functions say who plays as far as it was told, and close it.
func watch(t *testing.T, s *supervisor, window string) (player func() string, leave func()) {
	t.Helper()
	box, leave := s.referee.join(window)
	var last struct{ Player string }
	return func() string {
		for {
			select {
			case data := <-box:
				if err := json.Unmarshal(data, &last); err != nil {
					t.Fatal(err)
				}
			default:
				return last.Player
			}
		}
	}, leave
}

// One window plays: the first, until it goes or another takes its place. What the others' pages believe does not count.
func TestOneWindowPlays(t *testing.T) {
	t.Parallel()
	url, s := start(t)
	control := func(body string) int {
		status, _ := post(t, url+"demo/control", body)
		return status
	}
	believes := func(window, tab, phase string) {
		t.Helper()
		body := fmt.Sprintf(`{"window":%q,"tab":%q,"side":"usual","person":"Ana","phase":%q}`, window, tab, phase)
		if status, text := post(t, url+"demo/tab", body); status != http.StatusNoContent {
			t.Fatal(status, text)
		}
	}
	pages := func() int {
		s.referee.mu.Lock()
		defer s.referee.mu.Unlock()
		return len(s.referee.tabsOf(usualSide))
	}
	first, leaveFirst := watch(t, s, "1")
	second, leaveSecond := watch(t, s, "2")
	if first() != "1" || second() != "1" {
		t.Fatal("the first window does not play")
	}
	believes("1", "a", phaseEditing)
	believes("2", "b", phaseEditing)
	if pages() != 1 || control(`{"action":"kill","window":"2"}`) != http.StatusConflict || control(`{"action":"restore","window":"1"}`) != http.StatusNoContent {
		t.Fatal("the second window plays too")
	}
	if control(`{"action":"play","window":"3"}`) != http.StatusConflict || control(`{"action":"play"}`) != http.StatusConflict {
		t.Fatal("a window plays that is not open")
	}
	if control(`{"action":"play","window":"2","polite":true}`) != http.StatusConflict || first() != "1" {
		t.Fatal("a window that looks on takes the game from the one that plays")
	}
	if control(`{"action":"play","window":"2"}`) != http.StatusNoContent {
		t.Fatal("the second window may not play")
	}
	await(t, "both are told", func() bool { return first() == "2" && second() == "2" })
	if pages() != 0 || control(`{"action":"kill","window":"1"}`) != http.StatusConflict {
		t.Fatal("the first window plays still")
	}
	// The game begins when the pages of the first have gone.
	begun := make(chan int, 1)
	go func() { begun <- control(`{"action":"begin","window":"2"}`) }()
	select {
	case <-begun:
		t.Fatal("it begins among the pages of the first window")
	case <-time.After(shortly):
	}
	believes("1", "a", "")
	if status := <-begun; status != http.StatusNoContent {
		t.Fatal(status)
	}
	leaveFirst()
	leaveSecond()
	third, leaveThird := watch(t, s, "3")
	defer leaveThird()
	if third() != "3" {
		t.Fatal("nobody else was there")
	}
}

// Whoever plays is told at once, though a window comes before anything else has changed; and one that is opened twice has left
// when both are closed.
func TestWindowIsToldAtOnce(t *testing.T) {
	t.Parallel()
	url, s := start(t)
	for range 2 {
		answer, err := http.Get(url + "demo/events?window=1")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		data := make([]byte, 6)
		if _, err := io.ReadFull(answer.Body, data); err != nil || string(data) != "data: " {
			t.Fatalf("%q %v", data, err)
		}
		var state struct{ Player string }
		if err := json.NewDecoder(answer.Body).Decode(&state); err != nil || state.Player != "1" {
			t.Fatalf("%+v %v", state, err)
		}
	}
	_, leave := watch(t, s, "1")
	leave()
	if !s.referee.plays("1") {
		t.Fatal("it is still open")
	}
}

const sentence = `document.querySelector(".stage [role=status]").innerText`

func (v visitor) stands() string {
	v.t.Helper()
	return v.Text(`[...document.querySelectorAll(".count dd")].map(n => n.textContent).join()`)
}

func (v visitor) elsewhere() {
	v.t.Helper()
	v.Wait(sentence + ` === "The demo is open in another window."`)
	v.Wait(`document.querySelectorAll("iframe").length === 0 && document.activeElement.textContent === "Use it here" && document.querySelector(".tools").clientHeight === 0`)
}

func (v visitor) begins() {
	v.t.Helper()
	for _, side := range []string{usualSide, editlockSide} {
		v.settled(side)
		v.reads(side, ".story", "Nothing has happened yet")
	}
}

// A second window of the demo says that it is open in another one, and changes nothing until it is asked to.
func TestSecondWindow(t *testing.T) {
	t.Parallel()
	url, _ := start(t)
	b := browser.Launch(t)
	first, second := visitor{t, b.Page(t)}, visitor{t, b.Page(t)}
	first.Open(url)
	first.begins()
	second.Open(url)
	second.elsewhere()
	second.Press("7") // no button of a game that is not played here
	first.press("reload")
	first.tells(editlockSide, "the same lock, the same fence")
	if stands := first.stands(); stands != "0,0,0,0,0,0" {
		t.Errorf("the second window was counted: %s", stands)
	}
	first.fresh() // or nobody may hold yet, on the side of the usual design, whose tab could be duplicated
	first.press("duplicate")
	first.counts(usualSide, "double", "1")

	second.Click(`document.querySelector(".stage button")`)
	second.Wait(sentence + ` === "" && document.activeElement.dataset.do === "kill"`)
	first.elsewhere()
	second.begins()
	if stands := second.stands(); stands != "0,0,0,0,0,0" {
		t.Errorf("the first window was counted: %s", stands)
	}
	first.Click(`document.querySelector(".stage button")`)
	second.elsewhere()
	first.begins()
	first.Close() // then the one that is left goes on
	second.begins()
	if stands := second.stands(); stands != "0,0,0,0,0,0" {
		t.Errorf("the closed window was counted: %s", stands)
	}
}

// Where somebody holds the article still, as when the demo was closed and is opened again at once, it says what it waits for, and
// shows none of it.
func TestStartsOverWhileHeld(t *testing.T) {
	t.Parallel()
	url, _ := start(t)
	b := browser.Launch(t)
	ana, v := b.Page(t), visitor{t, b.Page(t)}
	ana.Open(url + "articles/42?as=Ana")
	ana.Wait(`document.querySelector("edit-lock")?.dataset.state === "held"`)
	v.Open(url)
	v.reads(editlockSide, ".story", "Starting over. The article is still held: a page that was closed a moment ago has 5 s to come back")
	look := `JSON.stringify(["[data-show=holder]", "[data-show=waiting]"].map(each => document.querySelector(".side[data-side=editlock] " + each).innerText)
		.concat(getComputedStyle(document.querySelector(".side[data-side=editlock] iframe")).opacity, document.querySelector(".side[data-side=editlock] .panes").inert))`
	if looks := v.Text(look); looks != `["–","–","0",true]` {
		t.Errorf("while it starts over it shows %s", looks)
	}
	// It does not wait for ever.
	v.Wait(`document.querySelector(".toast").innerText.startsWith("editlock: Ana is kept from the article by a page that is open elsewhere")`)
	v.reads(editlockSide, ".story", "Nothing has happened yet")
	ana.Close()
	v.fresh()
	v.begins()
	if looks := v.Text(look); !strings.Contains(looks, `"1",false`) {
		t.Errorf("it hides %s", looks)
	}
	if stands := v.stands(); stands != "0,0,0,0,0,0" {
		t.Errorf("counted: %s", stands)
	}
}

// A demo that has ended is missed, and goes on where the page is once it was started again.
func TestDemoStartedAgain(t *testing.T) {
	t.Parallel()
	listener := listen(t)
	url, _, stop := startAt(t, listener)
	v := visit(t, url)
	stop()
	v.Wait(sentence + `.startsWith("The demo does not answer.") && document.querySelectorAll("iframe").length === 0`)
	again, err := net.Listen("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	startAt(t, again)
	v.Wait(sentence + ` === ""`)
	v.begins()
	v.press("reload")
	v.tells(editlockSide, "the same lock, the same fence")
}
