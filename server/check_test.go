package server_test

import (
	"context"
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
