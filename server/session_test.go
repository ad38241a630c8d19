package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// The whole story: one edits, the other waits, is let in, and learns the version.
func TestHandOver(t *testing.T) {
	w := start(t)
	ana, ben := w.page("ana"), w.page("ben")
	fence := ana.hold("article/42")

	got := ben.ok(&wire.Acquire{ID: ben.nextID(), Target: target("article/42")}).Snapshot
	if got.State != wire.Held || got.Holder.Name != "ANA" || got.Holder.You || got.Mine.State != "waiting" || got.Mine.Position != 1 {
		t.Fatalf("%+v, holder %+v, mine %+v", got, got.Holder, got.Mine)
	}
	ana.pushed("article/42", func(s *wire.Snapshot) bool { return s.Waiting == 1 })
	locked := ben.fails(&wire.Acquire{ID: ben.nextID(), Target: target("article/42"), Wait: new(bool)}, wire.Locked)
	if locked.Snapshot == nil || locked.Snapshot.Holder == nil || !strings.Contains(locked.Message, "ANA") {
		t.Errorf("%+v", locked)
	}
	ana.ok(&wire.Changed{ID: ana.nextID(), Target: target("article/42"), Fence: fence, Version: "17"})
	ben.pushed("article/42", func(s *wire.Snapshot) bool { return s.Version == "17" })
	freed := ana.ok(&wire.Release{ID: ana.nextID(), Target: target("article/42"), Fence: fence, Version: "18"}).Snapshot
	if freed.Ended == nil || freed.Ended.Reason != "released" || freed.Ended.Fence != fence {
		t.Errorf("the release says %+v", freed.Ended)
	}
	granted := ben.pushed("article/42", func(s *wire.Snapshot) bool { return s.Mine != nil && s.Mine.State == "granted" })
	if granted.Version != "18" || granted.Mine.Fence <= fence || granted.Mine.ConfirmWithin <= 0 {
		t.Errorf("%+v, %+v", granted, granted.Mine)
	}
	ben.fails(&wire.Confirm{ID: ben.nextID(), Target: target("article/42"), Fence: fence}, wire.StaleFence)
	held := ben.ok(&wire.Confirm{ID: ben.nextID(), Target: target("article/42"), Fence: granted.Mine.Fence}).Snapshot
	lock, err := wire.VerifyLock(wire.Keys{lockKey}, held.Mine.Token, time.Now())
	if err != nil || lock.User != "ben" || lock.Resource != "article/42" || lock.Fence != granted.Mine.Fence {
		t.Fatalf("%+v, %v", lock, err)
	}
	if held.Mine.ExpiresIn <= 0 || held.Mine.ExpiresIn > 10 {
		t.Errorf("the token is good for %v s, with a TTL of 10 s", held.Mine.ExpiresIn)
	}
	// Twice, and late: the same answer, no effect. Faults: Q7
	ana.ok(&wire.Release{ID: ana.nextID(), Target: target("article/42"), Fence: fence})
	w.holds("article/42", "ben")
}

func TestWelcome(t *testing.T) {
	w := start(t)
	c := w.connect()
	got := c.hello(access("ana"), "")
	if got.Resumed || got.Epoch != 1 || got.Session == "" || got.User != (wire.User{ID: "ana", Name: "ANA"}) ||
		got.TTL != 10 || got.Margin != 2 || got.Heartbeat != 2.5 || got.PongTimeout != 2.5 ||
		strings.Join(got.Rights, " ") != "edit watch" || got.TokenExpiresIn < 3590 || got.TokenExpiresIn > 3600 || got.Snapshots == nil {
		t.Errorf("%+v", got)
	}
	c.fails(&wire.Hello{ID: 9, Token: access("ana"), Nonce: nonce()}, wire.BadRequest)
}

// Faults: B5, B11, B12
func TestResume(t *testing.T) {
	w := start(t)
	first := w.connect()
	hello := first.hello(access("ana"), "")
	fence := first.hold("article/42")

	second := w.connect()
	again := second.hello(access("ana"), hello.Resume)
	if !again.Resumed || again.Session != hello.Session || again.Epoch != 2 || len(again.Snapshots) != 1 {
		t.Fatalf("%+v", again)
	}
	if mine := again.Snapshots[0].Mine; mine == nil || mine.State != "held" || mine.Fence != fence || mine.Token == "" {
		t.Fatalf("%+v", mine)
	}
	first.closedWith(wire.CloseReplaced)

	thief := w.connect()
	thief.fails(&wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce(), Resume: hello.Resume}, wire.ResumeReused)
	thief.closedWith(wire.CloseResumeReused)

	other := w.connect()
	other.fails(&wire.Hello{ID: 1, Token: access("ben"), Nonce: nonce(), Resume: again.Resume}, wire.ResumeRefused)
	other.fails(&wire.Hello{ID: 2, Token: access("ben"), Nonce: nonce(), Resume: again.Resume + "A"}, wire.ResumeRefused)
	if fresh := other.hello(access("ben"), ""); fresh.Resumed || fresh.Session == hello.Session {
		t.Errorf("%+v", fresh)
	}
	w.holds("article/42", "ana")
}

func TestRepeatedResumeGetsTheSameAnswer(t *testing.T) {
	w := start(t)
	first := w.connect()
	hello := first.hello(access("ana"), "")
	attempt := &wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce(), Resume: hello.Resume}
	var answers [2]*wire.Welcome
	for i := range answers {
		c := w.connect()
		c.send(attempt)
		answers[i], _ = c.answer().(*wire.Welcome)
		if answers[i] == nil {
			t.Fatal("no welcome")
		}
	}
	if a, b := answers[0], answers[1]; a.Resume != b.Resume || a.Epoch != b.Epoch || a.Session != b.Session {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestBye(t *testing.T) {
	t.Parallel()
	w := start(t)
	c := w.connect()
	hello := c.hello(access("ana"), "")
	c.hold("article/42")
	ben := w.page("ben")
	ben.ok(&wire.Acquire{ID: ben.nextID(), Target: target("article/42")})
	post := func(body string) {
		t.Helper()
		resp, err := http.Post("http://"+w.addr+"/v1/bye", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Errorf("%.20q: %s", body, resp.Status)
		}
	}
	for _, body := range []string{"", "x", "{}", `{"resume":"AAAA"}`, `{"resume":7}`, strings.Repeat("x", 1<<20), `{"resume":"` + hello.Resume[:40] + `"}`} {
		post(body)
	}
	w.holds("article/42", "ana")
	start := time.Now()
	post(`{"resume":"` + hello.Resume + `"}`)
	ben.pushed("article/42", func(s *wire.Snapshot) bool { return s.Mine != nil && s.Mine.State == "granted" })
	if d := time.Since(start); d < 4*time.Second {
		t.Errorf("gone after %v; a page that reloads has 5 s", d)
	}
}

func TestRightsAreEnforced(t *testing.T) {
	w := start(t)
	c := w.connect()
	c.hello(access("eve", func(m map[string]any) { m["rights"] = []string{"watch:article/*"} }), "")
	for _, r := range []wire.Request{
		&wire.Acquire{ID: c.nextID(), Target: target("article/42")},
		&wire.Confirm{ID: c.nextID(), Target: target("article/42"), Fence: 1},
		&wire.Release{ID: c.nextID(), Target: target("article/42"), Fence: 1},
		&wire.Cancel{ID: c.nextID(), Target: target("article/42")},
		&wire.Changed{ID: c.nextID(), Target: target("article/42"), Fence: 1, Version: "x"},
		&wire.Watch{ID: c.nextID(), Target: target("note/1")},
		&wire.Watch{ID: c.nextID(), Prefix: ptr("note/")},
	} {
		c.fails(r, wire.Forbidden)
	}
	c.ok(&wire.Watch{ID: c.nextID(), Target: target("article/42")})
	w.page("ana").hold("article/7")
	list := c.ok(&wire.Watch{ID: c.nextID(), Prefix: ptr("")})
	if len(list.Snapshots) != 1 || list.Snapshots[0].Resource != "article/7" || *list.More {
		t.Errorf("%+v", list)
	}
}

// Who watches a prefix hears of what is in it, but only of what the token lets be seen.
func TestPrefixPushes(t *testing.T) {
	w := start(t)
	c := w.connect()
	c.hello(access("eve", func(m map[string]any) { m["rights"] = []string{"watch:article/1", "watch:article/3"} }), "")
	c.ok(&wire.Watch{ID: c.nextID(), Prefix: ptr("article/")})
	ana := w.page("ana")
	for _, name := range []string{"article/1", "article/2", "article/3"} {
		ana.hold(name)
	}
	for last := ""; last != "article/3"; {
		push := recv(t, c.pushes, "a push about article/3")
		if last = push.Resource; last == "article/2" {
			t.Error("told about a resource that the token does not show")
		}
	}
	c.ok(&wire.Unwatch{ID: c.nextID(), Prefix: ptr("article/")})
}

// What a token does not show takes no place in the answer to the watch of a prefix.
func TestPrefixLimitCountsWhatIsSeen(t *testing.T) {
	w := start(t, func(o *setup) { o.Rate, o.Burst = 10_000, 10_000 })
	for u := range 11 {
		c := w.page(fmt.Sprint("user", u))
		for i := range 95 {
			c.ok(&wire.Acquire{ID: c.nextID(), Target: target(fmt.Sprintf("article/%d-%d", u, i))})
		}
	}
	c := w.connect()
	c.hello(access("eve", func(m map[string]any) { m["rights"] = []string{"edit:note/*"} }), "")
	c.hold("note/1")
	list := c.ok(&wire.Watch{ID: c.nextID(), Prefix: ptr("")})
	if len(list.Snapshots) != 1 || list.Snapshots[0].Resource != "note/1" || *list.More {
		t.Errorf("%d snapshots, more %t; want note/1 alone", len(list.Snapshots), *list.More)
	}
}

func TestSameUserElsewhere(t *testing.T) {
	w := start(t)
	one, two := w.page("ana"), w.page("ana")
	one.hold("article/42")
	e := two.fails(&wire.Acquire{ID: two.nextID(), Target: target("article/42"), Wait: new(bool)}, wire.Locked)
	if !e.Snapshot.Holder.Yours || e.Snapshot.Holder.You || !strings.Contains(e.Message, "another window") {
		t.Errorf("%+v, %+v", e, e.Snapshot.Holder)
	}
	got := two.ok(&wire.Acquire{ID: two.nextID(), Target: target("article/42"), Move: true}).Snapshot
	if got.Mine == nil || got.Mine.State != "granted" {
		t.Errorf("%+v", got.Mine)
	}
	lost := one.pushed("article/42", func(s *wire.Snapshot) bool { return s.Ended != nil })
	if lost.Ended.Reason != "handed_over" || !lost.Holder.Yours {
		t.Errorf("%+v, %+v", lost.Ended, lost.Holder)
	}
}

// Faults: A4
func TestAccessTokenOverTheSocket(t *testing.T) {
	w := start(t)
	for name, token := range map[string]string{
		"none":      "",
		"rubbish":   "a.b.c",
		"expired":   access("ana", expiring(-time.Second)),
		"wrong aud": access("ana", func(m map[string]any) { m["aud"] = "x" }),
	} {
		t.Run(name, func(t *testing.T) {
			c := w.connect()
			c.fails(&wire.Hello{ID: 1, Token: token, Nonce: nonce()}, wire.Unauthenticated)
			c.closedWith(wire.CloseTokenRefused)
		})
	}
}

func TestAccessTokenExpires(t *testing.T) {
	t.Parallel() // it only waits
	const soon = 5 * time.Second
	w := start(t)
	c := w.connect()
	c.hello(access("ana", expiring(soon)), "")
	c.hold("article/42")
	c.fails(&wire.Token{ID: c.nextID(), Token: access("ben")}, wire.Unauthenticated)
	c.closedWith(wire.CloseTokenExpired)
	w.holds("article/42", "ana")

	c = w.connect()
	c.hello(access("ana", expiring(soon)), "")
	if got := c.ok(&wire.Token{ID: c.nextID(), Token: access("ana")}); got.TokenExpiresIn < 3590 {
		t.Errorf("%+v", got)
	}
	until := time.Now().Add(soon + 100*time.Millisecond)
	for time.Now().Before(until) { // goes on beyond the first token
		recv(t, c.pings, "a ping")
	}
	c.ok(&wire.Watch{ID: c.nextID(), Target: target("article/42")})
}

func TestHelloLate(t *testing.T) {
	w := start(t, func(o *setup) { o.HelloTimeout = 50 * time.Millisecond })
	w.connect().closedWith(wire.CloseHelloLate)
}

// A hello that came in time is answered when the store gets to it.
func TestHelloAtASlowStore(t *testing.T) {
	g := &gate{Store: mem.New()}
	w := start(t, func(o *setup) { o.store, o.HelloTimeout = g, 2*time.Second })
	first := w.connect()
	hello := first.hello(access("ana"), "")
	first.hold("article/42")
	open := sync.OnceFunc(g.close())
	defer open()
	second := w.connect()
	second.send(&wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce(), Resume: hello.Resume})
	w.connect().closedWith(wire.CloseHelloLate) // it came after the hello
	open()
	switch got := second.answer().(type) { // not a close, however slow this machine is too
	case *wire.Welcome:
		if !got.Resumed {
			t.Errorf("%+v", got)
		}
	case *wire.Error:
		if got.Code != wire.Unavailable && got.Code != wire.UnknownOutcome {
			t.Errorf("%+v", got)
		}
	default:
		t.Errorf("%+v", got)
	}
}

func TestHelloMustBeFirst(t *testing.T) {
	w := start(t)
	for _, r := range []wire.Request{&wire.Acquire{ID: 1, Target: target("article/42")}, &wire.Bye{ID: 1}, &wire.Pong{Ping: 1}} {
		c := w.connect()
		c.fails(r, wire.BadRequest)
		c.closedWith(wire.CloseBadMessage)
	}
}

// No news overtakes an answer that does not have it, though the protocol would let it.
func TestAnswersNeverGoBack(t *testing.T) {
	w := start(t, fast)
	ana, ben := w.page("ana"), w.page("ben")
	ben.ok(&wire.Watch{ID: 1, Prefix: ptr("article/")})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 300 {
			ana.send(&wire.Acquire{ID: ana.nextID(), Target: target("article/42")})
			recv(t, ana.answers, "an answer")
			ana.send(&wire.Cancel{ID: ana.nextID(), Target: target("article/42")})
			recv(t, ana.answers, "an answer")
		}
	}()
	for i := int64(2); ; i += 2 { // the harness compares revisions
		select {
		case <-done:
			return
		default:
			ben.ok(&wire.Watch{ID: i, Target: target("article/42")})
			ben.ok(&wire.Watch{ID: i + 1, Prefix: ptr("article/")})
		}
	}
}

func ptr[T any](v T) *T { return &v }
