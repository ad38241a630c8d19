package editlock_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// A node is stopped for two minutes, in the middle of two writes, while another one lives. It acknowledges nothing until it has found out that it was taken for dead,
// its late swap of what has changed meanwhile fails, and the one that is done after all leaves nothing behind for long.
// Faults: N5
func TestStoppedNodeAcknowledgesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		st := &faulty{Store: inner}
		one, two := open(t, st, editlock.Config{Logger: quiet}), open(t, inner, editlock.Config{Logger: quiet})
		ana, ben := newPage(t, one, "1", "Ana"), newPage(t, two, "2", "Ben")
		ana.ask(doc)
		first := ana.holds(doc)
		pass(10 * time.Second)
		ben.ask(doc)
		ben.waits(doc, 1)

		goes := make(chan struct{})
		st.fail(func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
			<-goes
			return inner.Apply(context.WithoutCancel(ctx), batch)
		})
		dora, cleo := newPage(t, one, "3", "Dora"), newPage(t, one, "4", "Cleo")
		late := make(chan struct{}, 2)
		for p, name := range map[*page]string{dora: "article/8", cleo: doc} {
			go func() {
				s, err := p.conn.Acquire(t.Context(), editlock.Request{Resource: name})
				select {
				case <-goes: // it may be done then, by the node in its new life
					if err == nil && name == doc && s.Mine.State != editlock.MineWaiting {
						t.Errorf("Cleo is told %+v", s)
					}
				default:
					if err == nil {
						t.Errorf("%s was granted by a node that cannot vouch for it", name)
					}
				}
				late <- struct{}{}
			}()
		}
		pass(11 * time.Second)
		for range 109 {
			if one.Ready() == nil || ana.conn.Heard() || ana.conn.Held() != nil {
				t.Error("the node vouches for something though its renewals are not confirmed")
			}
			pass(time.Second)
		}
		second := ben.holds(doc)
		if second <= first {
			t.Fatalf("fence %d after %d", second, first)
		}
		for _, p := range []*page{ana, cleo, dora} {
			p.silent()
		}

		close(goes) // all that was under way is done now, in the name of a node that others have ended
		if ana.conn.Heard() || ana.conn.Held() != nil || one.Ready() == nil {
			t.Error("it acknowledges before its renewal is confirmed")
		}
		st.fail(nil)
		<-late
		<-late
		if s, err := ana.conn.Confirm(t.Context(), doc, first); err == nil {
			t.Errorf("an old fence is confirmed: %+v", s)
		}
		pass(10 * time.Second)
		if err := one.Ready(); err != nil {
			t.Fatal(err)
		}
		if got := ben.holds(doc); got != second {
			t.Errorf("fence %d, before %d", got, second)
		}
		if err := ana.back(two); err != nil {
			t.Fatal(err)
		}
		if s, err := ana.conn.Watch(t.Context(), doc, first); err != nil || s.Mine.State != editlock.MineNone || s.Holder == nil || s.Holder.You {
			t.Errorf("Ana is told %+v, %v", s, err)
		}
		if got := reasons(t, two, doc); len(got) != 1 || got[0] != editlock.Expired {
			t.Errorf("holdings ended: %v", got)
		}

		pass(2 * time.Minute) // more than the longest that an orphan may last
		eve := newPage(t, two, "5", "Eve")
		eve.ask("article/8")
		pass(20 * time.Second)
		eve.holds("article/8")
		if got := ben.holds(doc); got != second {
			t.Errorf("fence %d, before %d", got, second)
		}
	})
}
