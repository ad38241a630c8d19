package server

import (
	"fmt"
	"testing"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// What ends one session is not told as if it ended the server, and each is told with the close code that the client acts by.
func TestEndsAreToldTruly(t *testing.T) {
	for _, c := range []struct {
		err   error
		code  wire.Code
		close uint16
	}{
		{editlock.ErrReplaced, wire.Replaced, wire.CloseReplaced},
		{editlock.ErrSessionOver, wire.SessionOver, wire.CloseRestart},
		{editlock.ErrShuttingDown, wire.ShuttingDown, wire.CloseRestart},
		{editlock.ErrClosed, wire.ShuttingDown, wire.CloseRestart},
	} {
		e, code := explain(7, fmt.Errorf("wrapped: %w", c.err))
		if e.ID != 7 || e.Code != c.code || e.Message == "" || code != c.close {
			t.Errorf("%v is told as %+v, closed with %d; want %s, closed with %d", c.err, e, code, c.code, c.close)
		}
	}
}
