package client_test

import (
	"testing"
	"testing/synctest"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/internal/sessiontest"
	"github.com/editlock/editlock/server"
)

// roomy lets many tests come from one address, and a program ask as fast as it likes.
var roomy = server.Options{MaxPerAddress: 10_000, MaxPerUser: 1000, Rate: 10_000, Burst: 10_000}

// virtual runs f with a server, all in a bubble of virtual time.
func virtual(t *testing.T, opts server.Options, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, bubble(t, opts)) })
}

func bubble(t *testing.T, opts server.Options) *world {
	p := newPipes()
	w := start(t, p, editlock.Config{}, opts)
	w.net.to = p
	return w
}

// Faults: Q1, Q2, Q3, Q7, A3, D1
func TestSessionInVirtualTime(t *testing.T) {
	sessiontest.Run(t, sessiontest.Suite{Virtual: true, Open: func(t *testing.T) *sessiontest.Place { return bubble(t, roomy).place() }})
}

// Faults: Q1, Q2, Q3, Q7, A3
func TestSessionOverSockets(t *testing.T) {
	sessiontest.Run(t, sessiontest.Suite{Open: func(t *testing.T) *sessiontest.Place {
		w := start(t, tcp(t), editlock.Config{}, roomy)
		return w.place()
	}})
}
