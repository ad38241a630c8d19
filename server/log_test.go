package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock/server"
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

// A refused origin is said at the level of warnings, once, with the setting that allows it. A flood of origins fills neither
// the log nor the memory.
// Faults: A7
func TestRefusedOriginIsSaidOnce(t *testing.T) {
	var mu sync.Mutex
	var text strings.Builder
	w := start(t, func(o *setup) { o.Logger = slog.New(slog.NewTextHandler(locked{&mu, &text}, nil)) })
	ask := func(origin string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.addr+"/v1/socket", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusForbidden {
			t.Fatalf("%s: %s, %v", origin, answer.Status, err)
		}
		return string(body)
	}
	for range 3 {
		if body := ask("http://localhost:5173"); !strings.Contains(body, "--origin") || !strings.Contains(body, "http://localhost:5173") {
			t.Errorf("the answer does not say what to do: %s", body)
		}
	}
	for i := range 300 {
		ask(fmt.Sprintf("https://%d.attacker.example", i))
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(text.String(), "origin=http://localhost:5173"); n != 1 || !strings.Contains(text.String(), "--origin") {
		t.Errorf("said %d times:\n%s", n, text.String())
	}
	if n := strings.Count(text.String(), "level=WARN"); n > 101 {
		t.Errorf("%d warnings", n)
	}
}

// However many tokens are refused, the log does not grow with them: some lines, and later how many were left out.
// Faults: A4, A5
func TestRefusedTokensDoNotFillTheLog(t *testing.T) {
	var spy *logSpy
	inBubble(t, func(b *bubble) {
		var lines []slog.Record
		eve := b.asker("eve")
		eve.token += "x"
		ask := func(times int) (said int) {
			for range times {
				eve.bad("GET", "/v1/locks", nil, wire.Unauthenticated)
			}
			for len(spy.found) > 0 {
				if r := <-spy.found; r.Level >= slog.LevelInfo {
					said++
					lines = append(lines, r)
				}
			}
			return said
		}
		if said := ask(1000); said != 20 {
			t.Errorf("%d lines for 1000 tokens", said)
		}
		<-time.After(time.Minute)
		if said := ask(1); said != 1 {
			t.Errorf("%d lines a minute later", said)
		}
		left := int64(0)
		lines[len(lines)-1].Attrs(func(a slog.Attr) bool {
			if a.Key == "left_out_before" {
				left = a.Value.Int64()
			}
			return true
		})
		if left != 980 {
			t.Errorf("%d are said to have been left out", left)
		}
		eve.idle()
	}, func(o *server.Options) {
		spy = &logSpy{slog.DiscardHandler, "an access token was refused", make(chan slog.Record, 2000)}
		o.Logger, o.RequestRate = spy.logger(), 1000
	})
}
