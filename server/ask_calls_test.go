package server_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// halting is a store that stops before the read of a record until it is let go on.
type halting struct {
	store.Store
	key     string
	left    atomic.Int32  // so many reads until then; 0 or less: it does not stop
	reached chan struct{} // it stands
	goOn    chan struct{}
}

func (h *halting) Get(ctx context.Context, key string) (store.Record, error) {
	if key == h.key && h.left.Load() > 0 && h.left.Add(-1) == 0 {
		h.reached <- struct{}{}
		<-h.goOn
	}
	return h.Store.Get(ctx, key)
}

// A check that meets a hand-over tells of one holder alone, before it or after it: never of a fence as the caller's own that is another's.
func TestCheckMeetsAHandOver(t *testing.T) {
	for reads := range int32(3) { // the lock passes on before so many reads more
		st := &halting{Store: mem.New(), key: "lock/" + doc42, reached: make(chan struct{}), goOn: make(chan struct{})}
		w := start(t, func(s *setup) { s.store = st })
		ana, ben := w.asker("ana"), w.asker("ben")
		first := ana.acquire(wire.AcquireCall{Resource: doc42})
		st.left.Store(reads + 1)
		checked := ana.answers("/v1/check", wire.CheckItem{Resource: doc42, Session: first.Session})
		var s *said
		passed := false
		select {
		case <-st.reached:
			ana.release(first)
			next := ben.acquire(wire.AcquireCall{Resource: doc42})
			passed = true
			st.goOn <- struct{}{}
			s = recv(t, checked, "the answer")
			defer ben.release(next)
		case s = <-checked:
			st.left.Store(0)
		}
		got := parsed[wire.Checked](t, s)
		ours := got.Result == wire.Ours && got.Code == "" && got.Fence == first.Fence && got.Holder.User == "ana"
		theirs := got.Result == wire.Theirs && got.Code == wire.StaleFence && got.Fence > first.Fence && got.Holder.User == "ben"
		if !ours && !theirs || passed && reads == 0 && !theirs {
			t.Errorf("after %d reads: %s %s, the holder is %+v", reads, s.Status, s.body, got.Holder)
		}
		if reads == 0 && !passed {
			t.Error("no record was read")
		}
	}
}

// A history has a cursor as long as there is more of it, and none at its end, also where the last page is full.
func TestHistoryEnds(t *testing.T) {
	w := start(t)
	ana := w.asker("ana")
	for range 2 { // each time two changes of holder
		ana.release(ana.acquire(wire.AcquireCall{Resource: doc42}))
	}
	for limit := 1; limit <= 5; limit++ {
		seen, cursor := 0, ""
		for pages := 1; ; pages++ {
			l := good[wire.HistoryList](ana, "GET", fmt.Sprintf("/v1/history/%s?limit=%d&cursor=%s", doc42, limit, cursor), nil)
			seen += len(l.Entries)
			if cursor = l.Cursor; cursor != "" {
				if seen >= 4 || len(l.Entries) != limit {
					t.Fatalf("by %d: after %d of 4 entries there is more, they say", limit, seen)
				}
				continue
			}
			if want := (4 + limit - 1) / limit; seen != 4 || pages != want {
				t.Errorf("by %d: %d entries on %d pages", limit, seen, pages)
			}
			break
		}
	}
}

// One request of a session waits, another gives its place up. Nothing is left then: whichever is answered last says so, by having no session,
// and the token in the other's answer is that of a session that has ended.
func TestCancelWhileARequestWaits(t *testing.T) {
	w := start(t)
	ana, ben := w.asker("ana"), w.asker("ben")
	for i := range 10 {
		name := fmt.Sprintf("article/1%d", i)
		g := ana.acquire(wire.AcquireCall{Resource: name})
		other := ben.acquire(wire.AcquireCall{Resource: "article/43"}) // it makes the session
		waiting := ben.answers("/v1/acquire", wire.AcquireCall{Resource: name, Session: other.Session, Wait: 50})
		w.waiting(name, 1)
		if out := ben.release(other); out.Session == "" {
			t.Error("the session ends though it waits")
		}
		out := good[wire.Standing](ben, "POST", "/v1/cancel", wire.CancelCall{Resource: name, Session: other.Session})
		sent := ben.problem(recv(t, waiting, "the answer to the one that waits"), wire.Locked)
		if out.Snapshot.Waiting != 0 || out.Snapshot.Mine != nil || sent.Snapshot != nil {
			t.Errorf("%+v, %+v", out, sent)
		}
		if (out.Session == "") == (sent.Session == "") {
			t.Errorf("the sessions: %q, %q", out.Session, sent.Session)
		}
		ben.bad("POST", "/v1/renew", wire.RenewCall{Session: other.Session}, wire.SessionOver)
		ana.release(g)
	}
}
