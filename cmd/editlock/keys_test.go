package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

// Keys come from several files and from a JWKS document at once, and tokens choose among them by name.
// Faults: A5, A6
func TestKeysFromFilesAndFromTheApplication(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"EC","crv":"P-256","kid":"web","x":%q,"y":%q},{"kty":"EC","crv":"P-256","kid":"2026","x":%q,"y":%q}]}`,
			b64(public[1:33]), b64(public[33:]), b64(public[1:33]), b64(public[33:]))
	}))
	defer app.Close()
	const one, two = "u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe", "Xp2s5v8y/B?E(H+MbQeThWmZq4t7w9z$"
	s := serve(t, "--key-file="+file(t, "2025.key", one), "--key-file="+file(t, "2026.key", two), "--jwks-url="+app.URL+"/jwks.json")
	for name, c := range map[string]struct {
		kid      string
		material any
		good     bool
	}{
		"the first file":              {"2025", []byte(one), true},
		"the second file":             {"2026", []byte(two), true},
		"the name of another":         {"2025", []byte(two), false},
		"the document":                {"web", private, true},
		"the document against a file": {"2026", private, false},
		"without a name":              {"", []byte(one), false},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := wire.NewKey(c.kid, c.material)
			if err != nil {
				t.Fatal(err)
			}
			token, err := key.Sign("JWT", map[string]any{"sub": "7", "iss": "app", "aud": "editlock", "exp": time.Now().Add(time.Hour).Unix(), "rights": []string{"edit:**"}})
			if err != nil {
				t.Fatal(err)
			}
			p := open(t, s)
			hello := &wire.Hello{ID: 1, Token: token, Nonce: wire.NewNonce([16]byte{1})}
			if c.good {
				next[*wire.Welcome](t, p, hello)
				return
			}
			if e := next[*wire.Error](t, p, hello); e.Code != wire.Unauthenticated {
				t.Error(e)
			}
		})
	}
}
