package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// A panic costs the request in which it came, which is told that nobody knows what was done.
// Faults: N6
func TestPanicInARequest(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	m, err := editlock.Open(t.Context(), mem.New(), editlock.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	key := func(secret string) *wire.Key {
		k, err := wire.NewKey("", []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	app := key("u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe")
	s, err := New(m, Options{Access: Access{Keys: wire.Keys{app}, Issuer: "app", Audience: "editlock"}, LockKey: key("Xp2s5v8y/B?E(H+MbQeThWmZq4t7w9z$"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	token, err := app.Sign("JWT", map[string]any{"sub": "ana", "iss": "app", "aud": "editlock", "exp": time.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	broken := &endpoint{method: "GET", path: "/v1/broken", serve: func(*Server, *call) (any, error) { panic("broken") }}
	r := httptest.NewRequest("GET", "/v1/broken", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.serveEndpoint(w, r, broken, "")
	body, _ := io.ReadAll(w.Body)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(string(body), string(wire.UnknownOutcome)) || strings.Contains(string(body), "broken") || s.Stats().Panics != 1 {
		t.Errorf("%d %s, %d panics", w.Code, body, s.Stats().Panics)
	}
}
