package demo

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A server that refuses what it is given is not started again and again: the demo ends, with its words.
func TestServerThatNeverStarts(t *testing.T) {
	t.Parallel()
	listener := listen(t)
	s, err := newSupervisor(Options{
		Dir: t.TempDir(), TTL: time.Second, Pause: time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Ready: func(string) { t.Error("ready") },
	}, listener.Addr())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.run(t.Context(), listener) }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "the editlock server does not start") || !strings.Contains(err.Error(), "10s to 300s") {
			t.Fatal(err)
		}
	case <-time.After(soon):
		t.Fatal("it goes on trying")
	}
}

// One that was ready once is started again, however it ended; and so is one that was killed as it began.
func TestWhatIsStartedAgain(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{"ready": "echo 127.0.0.1:1; exit 3", "killed": "kill -9 $$"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			ends := 0
			p := &process{kind: usualSide, command: []string{"sh", "-c", script}, pause: time.Millisecond, log: slog.New(slog.DiscardHandler)}
			p.changed = func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.child != nil {
					return
				}
				if ends++; ends == 3 {
					cancel(errors.New("three times"))
				}
			}
			if err := p.run(ctx); err != nil || context.Cause(ctx).Error() != "three times" {
				t.Fatal(err, context.Cause(ctx))
			}
		})
	}
}

// What goes wrong in the usual design is shown on the page, and no fault of the demo.
func TestChildLog(t *testing.T) {
	for _, c := range []struct {
		how, kind string
		least     slog.Level
	}{
		{quietChild, usualSide, slog.LevelError + 1}, {quietChild, editlockSide, slog.LevelWarn},
		{verboseChild, usualSide, slog.LevelInfo}, {verboseChild, editlockSide, slog.LevelInfo},
	} {
		t.Setenv(childEnv, c.how)
		log := ChildLog(c.kind)
		if log.Enabled(t.Context(), c.least-1) || c.least <= slog.LevelError && !log.Enabled(t.Context(), c.least) {
			t.Errorf("%s %s: not from %v on", c.how, c.kind, c.least)
		}
	}
}
