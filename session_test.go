package editlock_test

import (
	"context"
	"testing"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/internal/sessiontest"
	"github.com/editlock/editlock/store/mem"
)

// Faults: Q1, Q2, Q3, Q7, A3, D1
func TestSession(t *testing.T) {
	sessiontest.Run(t, sessiontest.Suite{Virtual: true, Open: func(t *testing.T) *sessiontest.Place {
		st := &faulty{Store: mem.New()}
		m := open(t, st, editlock.Config{})
		return &sessiontest.Place{
			Manager: m,
			Session: func(ctx context.Context, user editlock.User) (editlock.Session, error) { return m.Session(ctx, user) },
			Fail: func(fail bool) {
				if fail {
					st.fail(down)
				} else {
					st.fail(nil)
				}
			},
		}
	}})
}
