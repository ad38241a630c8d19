package server_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/editlock/editlock/wire"
)

// bomb is a log that panics on one user.
type bomb struct{ slog.Handler }

func (b bomb) Enabled(context.Context, slog.Level) bool { return true }

func (b bomb) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "user" && a.Value.String() == "bomb" {
			panic("boom")
		}
		return true
	})
	return nil
}

// logSpy is a log that tells when a message is written.
type logSpy struct {
	slog.Handler
	text  string
	found chan slog.Record
}

func newLog(text string) *logSpy {
	return &logSpy{slog.DiscardHandler, text, make(chan slog.Record, 100)}
}

func (l *logSpy) logger() *slog.Logger { return slog.New(l) }

func (l *logSpy) Enabled(context.Context, slog.Level) bool { return true }

func (l *logSpy) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, l.text) {
		l.found <- r
	}
	return nil
}

// Nothing that opens a door is written to the log.
func TestLogHasNoSecrets(t *testing.T) {
	var mu sync.Mutex
	var text strings.Builder
	w := start(t, brisk, func(o *setup) {
		o.Logger = slog.New(slog.NewTextHandler(locked{&mu, &text}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	token := access("ana")
	c := w.connect()
	hello := c.hello(token, "")
	c.hold("article/42")
	again := w.connect()
	again.hello(token, hello.Resume)
	bad := w.connect()
	bad.send(&wire.Hello{ID: 1, Token: token + "x", Nonce: nonce(), Resume: hello.Resume})
	bad.answer()
	again.deafen()
	again.closedWith(wire.CloseNoPong)
	mu.Lock()
	defer mu.Unlock()
	for _, secret := range []string{token, hello.Resume, strings.Split(token, ".")[2]} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("the log contains %s", secret)
		}
	}
	if !strings.Contains(text.String(), "refused") {
		t.Errorf("the log says nothing: %s", text.String())
	}
}

type locked struct {
	mu *sync.Mutex
	w  *strings.Builder
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
