package editlock_test

import (
	"testing"
	"testing/synctest"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store/mem"
)

// Faults: B12. A page that did not wait for its first attempt to connect has come back by a second one, when the first gets through: the
// connection that it believes in is closed, but not for good.
func TestLateAttemptDoesNotCostTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, mem.New(), editlock.Config{})
		ana := newPage(t, m, "1", "Ana")
		ana.ask("article/42")
		fence := ana.holds("article/42")
		ana.cut()
		resume := &editlock.Resume{Session: ana.conn.Session(), Epoch: ana.epoch}
		attempt := editlock.Connect{User: ana.user, Resume: resume, Nonce: "one nonce for both"}
		why := make(chan error, 1)
		second := attempt
		second.Closed = func(err error) { why <- err }
		back, err := m.Connect(t.Context(), second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Connect(t.Context(), attempt); err != nil {
			t.Fatal(err)
		}
		if err := <-why; err != editlock.ErrSessionOver {
			t.Errorf("the page was told %v; it should be told to resume", err)
		}
		ana.conn, ana.epoch = back, back.Epoch()
		if err := ana.back(m); err != nil {
			t.Fatal(err)
		}
		if got := ana.holds("article/42"); got != fence {
			t.Errorf("fence %d, before %d", got, fence)
		}
	})
}
