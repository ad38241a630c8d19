package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// manyRequests lets a test ask as often as it likes.
func manyRequests(s *setup) {
	s.RequestRate, s.MaxPerUser, s.Rate, s.Burst = 10_000, 1000, 10_000, 10_000
}

// A waiter gives up, or its request is cut off, at the very moment at which it is granted: whoever comes after it is let in at once, and
// nobody waits for a confirmation that does not come.
// Faults: Q3
func TestProgramGivesUpAsItIsGranted(t *testing.T) {
	t.Parallel()
	w := start(t, manyRequests)
	ana, ben, cleo := w.asker("ana"), w.asker("ben"), w.asker("cleo")
	const rounds = 40
	got := map[string]int{}
	for i := range rounds {
		name := fmt.Sprintf("article/%d", i)
		g := ana.acquire(wire.AcquireCall{Resource: name})
		place := ben.problem(ben.do("POST", "/v1/acquire", wire.AcquireCall{Resource: name, Wait: 0.001}), wire.Locked).Session
		ctx, cut := context.WithCancel(t.Context())
		bens := make(chan *said, 1)
		call := wire.AcquireCall{Resource: name, Wait: 50, Session: place}
		if i%2 == 0 { // a session that nobody knows of
			good[wire.Standing](ben, "POST", "/v1/cancel", wire.CancelCall{Session: place, Resource: name})
			call.Session = ""
		}
		body, _ := json.Marshal(call)
		go func() {
			s, _ := ben.request(ctx, "POST", "/v1/acquire", body)
			bens <- s
		}()
		w.until("ben's request waits", func() bool { return w.s.Stats().Waits == 1 }) // his place alone is no request that another one sends away
		w.waiting(name, 1)
		cleos := cleo.answers("/v1/acquire", wire.AcquireCall{Resource: name, Wait: 50})
		w.waiting(name, 2)

		var both sync.WaitGroup
		both.Go(func() { ana.release(g) })
		both.Go(func() {
			if i%2 == 0 {
				cut()
				return
			}
			good[wire.Standing](ben, "POST", "/v1/cancel", wire.CancelCall{Session: place, Resource: name})
		})
		both.Wait()
		if i%2 == 1 {
			// The request that waits is sent away; or it was granted before that.
			if s := recv(t, bens, "ben's answer"); s.StatusCode == 200 {
				ben.release(parsed[wire.Granted](t, s))
			} else {
				ben.problem(s, wire.Locked)
			}
		}
		var s *said
		select {
		case s = <-cleos:
		case <-time.After(3 * patience): // an answer that was on its way when the request was cut costs the TTL, in a round of a hundred or so
			t.Fatal("the next one waits in vain")
		}
		h := parsed[wire.Granted](t, s)
		if s.StatusCode != 200 || h.Fence <= g.Fence {
			t.Fatalf("round %d: %s %s", i, s.Status, s.body)
		}
		cleo.release(h)
		cut()
		for _, e := range good[wire.HistoryList](ana, "GET", "/v1/history/"+name, nil).Entries {
			if e.Ended != nil {
				got[e.Ended.Reason]++
				if e.Ended.Reason == "unconfirmed" {
					t.Errorf("round %d: %s did not confirm", i, e.Ended.User)
				}
			}
		}
	}
	t.Logf("holds ended: %v", got)
}

// A page takes over the session of a program, and a program that of a page; whoever had it before is told, and what it still says
// comes too late.
// Faults: B11, B12
func TestSessionsPassBetweenPagesAndPrograms(t *testing.T) {
	w := start(t)
	a := w.asker("ana")
	g := a.acquire(wire.AcquireCall{Resource: doc42})
	page := w.connect()
	welcome := page.hello(access("ana"), g.Session)
	if !welcome.Resumed || len(welcome.Snapshots) != 1 || welcome.Snapshots[0].Mine.Fence != g.Fence {
		t.Fatalf("%+v", welcome)
	}
	for _, path := range []string{"renew", "release", "cancel", "acquire"} {
		body := map[string]any{"session": g.Session, "resource": doc42, "fence": g.Fence}
		switch path {
		case "renew":
			body = map[string]any{"session": g.Session}
		case "cancel", "acquire":
			delete(body, "fence")
		}
		a.bad("POST", "/v1/"+path, body, wire.ResumeReused)
	}
	w.holds(doc42, "ana")
	r := a.renew(welcome.Resume)
	page.closedWith(wire.CloseReplaced)
	if len(r.Locks) != 1 || r.Locks[0].Fence != g.Fence {
		t.Fatalf("%+v", r)
	}
	a.bad("POST", "/v1/renew", wire.RenewCall{Session: g.Session}, wire.ResumeReused)
	a.bad("POST", "/v1/renew", wire.RenewCall{Session: welcome.Resume, Nonce: nonce()}, wire.ResumeReused) // another attempt than that which made this epoch
	if again := a.renew(welcome.Resume); again.Session != r.Session {
		t.Error("a repeat has another answer")
	}
	a.release(&wire.Granted{Session: r.Session, Resource: doc42, Fence: g.Fence})
	if s := a.get(doc42); s.State != wire.Free {
		t.Errorf("%+v", s)
	}
}

// After a restart, requests of one session that come at once resume it once; its locks and places are as before.
// Faults: N1
func TestProgramsResumeOnce(t *testing.T) {
	st := mem.New()
	first := start(t, manyRequests, func(s *setup) { s.store = st })
	a := first.asker("ana")
	g := a.acquire(wire.AcquireCall{Resource: doc42})
	h := a.acquire(wire.AcquireCall{Resource: "article/43", Session: g.Session})
	// The first server goes on living, like one that is cut off from its clients; what it says comes too late.
	second := start(t, manyRequests, func(s *setup) { s.store = st })
	b := second.asker("ana")
	var answers []<-chan *said
	for i := range 20 {
		switch i % 2 {
		case 0:
			answers = append(answers, b.answers("/v1/renew", wire.RenewCall{Session: g.Session}))
		default:
			answers = append(answers, b.answers("/v1/acquire", wire.AcquireCall{Resource: doc42, Session: g.Session}))
		}
	}
	sessions := map[string]bool{}
	for _, ch := range answers {
		s := recv(t, ch, "an answer")
		if s.StatusCode != 200 {
			t.Fatalf("%s %s", s.Status, s.body)
		}
		sessions[parsed[struct{ Session string }](t, s).Session] = true
	}
	if len(sessions) != 1 || sessions[g.Session] {
		t.Errorf("%d sessions", len(sessions))
	}
	for session := range sessions {
		r := b.renew(session)
		if len(r.Locks) != 2 || r.Locks[0].Fence != g.Fence || r.Locks[1].Fence != h.Fence {
			t.Errorf("%+v", r)
		}
	}
}

// murky is a store that does the next write of a lock, says that it does not know, and then does not answer for as long as it fails.
type murky struct {
	store.Store
	fails, done atomic.Bool
}

func (m *murky) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	if !m.fails.Load() {
		return m.Store.Apply(ctx, batch)
	}
	for _, g := range batch {
		if strings.HasPrefix(g[0].Key, "lock/") && !m.done.Swap(true) {
			_, _ = m.Store.Apply(ctx, batch)
			return nil, store.ErrUnknown
		}
	}
	return nil, store.ErrUnavailable
}

func (m *murky) Get(ctx context.Context, key string) (store.Record, error) {
	if m.fails.Load() && m.done.Load() {
		return store.Record{}, store.ErrUnavailable
	}
	return m.Store.Get(ctx, key)
}

// A write whose outcome is not known is told as that, with the session that can find out; whoever asks again with it has the one grant.
// Faults: D2, D3
func TestProgramsUnknownOutcome(t *testing.T) {
	st := &murky{Store: mem.New()}
	w := start(t, func(s *setup) { s.store = st })
	a, b := w.asker("ana"), w.asker("ben")
	st.fails.Store(true)
	p := a.bad("POST", "/v1/acquire", wire.AcquireCall{Resource: doc42}, wire.UnknownOutcome)
	if p.Session == "" || p.RetryAfter == 0 {
		t.Fatalf("%+v", p)
	}
	st.fails.Store(false)
	var got *wire.Granted
	for deadline := time.Now().Add(patience); got == nil; {
		s := a.do("POST", "/v1/acquire", wire.AcquireCall{Resource: doc42, Session: p.Session})
		switch {
		case s.StatusCode == 200:
			got = parsed[wire.Granted](t, s)
		case s.StatusCode != 503 || time.Now().After(deadline):
			t.Fatalf("%s %s", s.Status, s.body)
		}
	}
	b.bad("POST", "/v1/acquire", wire.AcquireCall{Resource: doc42}, wire.Locked)
	if n := len(good[wire.HistoryList](a, "GET", "/v1/history/"+doc42, nil).Entries); n != 1 {
		t.Errorf("%d changes of holder", n)
	}
	a.release(got)
}

// A request waits for longer than the http.Server in front lets one read or write.
func TestProgramWaitsLongerThanTheServerLikes(t *testing.T) {
	w := start(t)
	front := httptest.NewUnstartedServer(w.s)
	front.Config.ReadTimeout, front.Config.WriteTimeout, front.Config.IdleTimeout = time.Second, time.Second, patience
	front.Start()
	defer front.Close()
	a, b := w.asker("ana"), w.asker("ben")
	b.addr = strings.TrimPrefix(front.URL, "http://")
	g := a.acquire(wire.AcquireCall{Resource: doc42})
	p := b.bad("POST", "/v1/acquire", wire.AcquireCall{Resource: doc42, Wait: 2.5}, wire.Locked)
	if p.Session == "" || p.Snapshot.Mine.Position != 1 {
		t.Errorf("%+v", p)
	}
	waiting := b.answers("/v1/acquire", wire.AcquireCall{Resource: doc42, Wait: 50, Session: p.Session})
	s := b.get(doc42)
	if s.Waiting != 1 {
		t.Errorf("%+v", s)
	}
	a.release(g)
	h := parsed[wire.Granted](t, recv(t, waiting, "the grant"))
	b.release(h)
}

// An administrator ends a hold: the holder's page is told at once, whoever waits is let in, and the history says who did it and why.
func TestForceReleaseOverHTTP(t *testing.T) {
	w := start(t)
	boss := w.asker("boss", rights("administer:article/**", "watch:**"))
	page := w.page("ana")
	fence := page.hold(doc42)
	ben := w.asker("ben")
	waiting := ben.answers("/v1/acquire", wire.AcquireCall{Resource: doc42, Wait: 50})
	w.waiting(doc42, 1)
	ben.bad("POST", "/v1/force-release", wire.ForceCall{Resource: doc42, Reason: "mine"}, wire.Forbidden)
	for range 2 { // the second time it hits nobody else
		f := good[wire.Forced](boss, "POST", "/v1/force-release", wire.ForceCall{Resource: doc42, Reason: "she is on holiday", Fence: fence})
		if f.Ended == nil || f.Ended.Reason != "forced" || f.Ended.Fence != fence || f.Snapshot.Holder == nil || f.Snapshot.Holder.User != "ben" {
			t.Errorf("%+v", f)
		}
	}
	page.pushed(doc42, func(s *wire.Snapshot) bool {
		return s.Ended != nil && s.Ended.Reason == "forced" && s.Ended.Fence == fence && s.Mine == nil
	})
	g := parsed[wire.Granted](t, recv(t, waiting, "the grant"))
	l := good[wire.HistoryList](boss, "GET", "/v1/history/"+doc42+"?limit=1", nil)
	if len(l.Entries) != 1 || l.Cursor == "" || l.Entries[0].Granted.User != "ana" {
		t.Fatalf("%+v", l)
	}
	l = good[wire.HistoryList](boss, "GET", "/v1/history/"+doc42+"?cursor="+l.Cursor, nil)
	if e := l.Entries[0].Ended; len(l.Entries) != 1 || l.Cursor != "" || e == nil || e.By == nil || e.By.Name != "BOSS" || e.Text != "she is on holiday" || l.Entries[0].Granted.Fence != g.Fence {
		t.Errorf("%+v", l)
	}
	if l = good[wire.HistoryList](boss, "GET", "/v1/history/"+doc42+"?since="+time.Now().Add(time.Hour).UTC().Format(time.RFC3339), nil); len(l.Entries) != 0 {
		t.Errorf("%+v", l)
	}
	good[wire.Forced](boss, "POST", "/v1/force-release", wire.ForceCall{Resource: doc42, Reason: "whoever it is"})
	if p := ben.bad("POST", "/v1/renew", wire.RenewCall{Session: g.Session}, wire.SessionOver); len(p.Ended) != 1 || p.Ended[0].Reason != "forced" || p.Ended[0].Resource != doc42 {
		t.Errorf("%+v", p)
	}
	if f := good[wire.Forced](boss, "POST", "/v1/force-release", wire.ForceCall{Resource: doc42, Reason: "whoever it is"}); f.Ended != nil {
		t.Errorf("nobody held: %+v", f)
	}
}

// A check says whose a lock is now, of one resource or of many, by whatever proof there is.
func TestChecks(t *testing.T) {
	w := start(t)
	ana, app := w.asker("ana"), w.asker("app", rights("watch:**"))
	g := ana.acquire(wire.AcquireCall{Resource: doc42})
	old := ana.acquire(wire.AcquireCall{Resource: "article/43"})
	ana.release(old)
	again := ana.acquire(wire.AcquireCall{Resource: "article/43", Session: g.Session})
	items := []struct {
		wire.CheckItem
		result string
		code   wire.Code
	}{
		{wire.CheckItem{Resource: doc42, Token: g.Token}, wire.Ours, ""},
		{wire.CheckItem{Resource: doc42, Token: g.Token, Fence: g.Fence}, wire.Ours, ""},
		{wire.CheckItem{Resource: doc42, Fence: g.Fence}, wire.Ours, ""},
		{wire.CheckItem{Resource: doc42, Fence: g.Fence - 1}, wire.Theirs, wire.StaleFence},
		{wire.CheckItem{Resource: doc42, Token: g.Token, Fence: g.Fence - 1}, wire.Theirs, wire.StaleFence},
		{wire.CheckItem{Resource: doc42, Token: "nonsense"}, wire.Theirs, wire.BadLockToken},
		{wire.CheckItem{Resource: doc42, Token: access("ana")}, wire.Theirs, wire.BadLockToken},
		{wire.CheckItem{Resource: "article/43", Token: g.Token}, wire.Theirs, wire.BadLockToken},
		{wire.CheckItem{Resource: "article/43", Token: old.Token}, wire.Theirs, wire.StaleFence},
		{wire.CheckItem{Resource: "article/43", Token: again.Token}, wire.Ours, ""},
		{wire.CheckItem{Resource: doc42, Session: g.Session, Fence: g.Fence}, wire.Theirs, wire.ResumeRefused}, // it is Ana's
		{wire.CheckItem{Resource: doc42}, wire.Theirs, ""},
		{wire.CheckItem{Resource: "article/44", Fence: 7}, wire.Unheld, wire.StaleFence},
		{wire.CheckItem{Resource: "article/44"}, wire.Unheld, ""},
	}
	var all wire.CheckCall
	for _, item := range items {
		all.Items = append(all.Items, item.CheckItem)
		got := good[wire.Checked](app, "POST", "/v1/check", item.CheckItem)
		if got.Result != item.result || got.Code != item.code || (got.Result == wire.Unheld) != (got.Holder == nil) || got.Holder != nil && (got.Holder.User != "ana" || got.Holder.Fence != got.Fence) || (got.Result == wire.Unheld) != (got.Fence == 0) {
			t.Errorf("%+v: %+v", item, got)
		}
	}
	list := good[wire.CheckedList](app, "POST", "/v1/check", map[string]any{"items": all.Items})
	for i, got := range list.Items {
		if got.Result != items[i].result || got.Resource != items[i].Resource {
			t.Errorf("%+v: %+v", items[i], got)
		}
	}
	for _, item := range []wire.CheckItem{{Resource: doc42, Session: g.Session}, {Resource: doc42, Session: g.Session, Fence: g.Fence}} {
		if got := good[wire.Checked](ana, "POST", "/v1/check", item); got.Result != wire.Ours || got.Fence != g.Fence {
			t.Errorf("%+v: %+v", item, got)
		}
	}
}

// A new version of the content is told to pages that wait and watch, by the holder and by the application.
func TestChangedOverHTTP(t *testing.T) {
	w := start(t)
	ana, app := w.asker("ana"), w.asker("app", rights("administer:**", "watch:**"))
	page := w.page("ben")
	page.ok(&wire.Watch{ID: page.nextID(), Target: target(doc42)})
	g := ana.acquire(wire.AcquireCall{Resource: doc42})
	good[wire.Standing](ana, "POST", "/v1/changed", wire.ChangedCall{Resource: doc42, Session: g.Session, Fence: g.Fence, Version: "18"})
	page.pushed(doc42, func(s *wire.Snapshot) bool { return s.Version == "18" })
	good[wire.Standing](app, "POST", "/v1/changed", wire.ChangedCall{Resource: doc42, Version: "19"})
	page.pushed(doc42, func(s *wire.Snapshot) bool { return s.Version == "19" })
	ana.bad("POST", "/v1/changed", wire.ChangedCall{Resource: doc42, Version: "20"}, wire.Forbidden)
	ana.release(g)
	ana.bad("POST", "/v1/changed", wire.ChangedCall{Resource: doc42, Session: g.Session, Fence: g.Fence, Version: "20"}, wire.StaleFence)
	if s := ana.get(doc42); s.Version != "19" {
		t.Errorf("%+v", s)
	}
}

// Somebody who holds as much as a session may is refused more, and keeps what there is; the sessions of a user are bounded as well.
// Faults: A9
func TestProgramsQuota(t *testing.T) {
	w := start(t, manyRequests)
	a := w.asker("ana")
	g := a.acquire(wire.AcquireCall{Resource: "article/0"})
	for i := 1; i < 100; i++ {
		a.acquire(wire.AcquireCall{Resource: fmt.Sprintf("article/%d", i), Session: g.Session})
	}
	a.bad("POST", "/v1/acquire", wire.AcquireCall{Resource: "article/100", Session: g.Session}, wire.TooManyLocks)
	if r := a.renew(g.Session); len(r.Locks) != 100 {
		t.Errorf("%d locks", len(r.Locks))
	}
	refused := 0
	for i := range 101 {
		if s := a.do("POST", "/v1/acquire", wire.AcquireCall{Resource: fmt.Sprintf("article/%d", 200+i)}); s.StatusCode == http.StatusTooManyRequests {
			a.problem(s, wire.TooManySessions)
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("%d sessions were refused; a user may have %d", refused, editlock.Config{}.MaxSessions+100)
	}
	// Who gives back as soon as it is done never comes to the limit.
	b := w.asker("ben")
	for i := range 150 {
		b.release(b.acquire(wire.AcquireCall{Resource: fmt.Sprintf("article/%d", 1000+i)}))
	}
}
