package server

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"runtime"
	"strings"
	"testing"

	"github.com/editlock/editlock/wire"
)

// However long a bad token is, and whatever it names, to refuse it takes no more memory than to read a good one: it is measured before it is decoded,
// decoded before anything is computed, and nothing that it names is looked for anywhere.
// Faults: A4
func TestRefusedTokenCostsNoMoreThanAGoodOne(t *testing.T) {
	h := mustKey(t, "h", []byte("u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe"))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	access := Access{Keys: wire.Keys{h, mustKey(t, "r", rsaKey).Public()}, Issuer: "app", Audience: "editlock"}
	good, err := h.Sign("JWT", claims())
	if err != nil {
		t.Fatal(err)
	}
	long, err := h.Sign("JWT", claims(func(m map[string]any) { m["x"] = strings.Repeat("x", wire.MaxToken*3/4-600) }))
	if err != nil || len(long) > wire.MaxToken || len(long) < wire.MaxToken*9/10 {
		t.Fatalf("a token of %d bytes, %v", len(long), err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	spent := func(token string, ok bool) uint64 {
		t.Helper()
		const times = 50
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			if _, err := access.verify(token, noon); (err == nil) != ok {
				t.Fatalf("%.40s: %v", token, err)
			}
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / times
	}
	spent(good, true) // what is made once
	most := spent(long, true) + 8<<10
	for name, token := range map[string]string{
		"1 MB":          strings.Repeat("A", 1<<20),
		"1 MB of dots":  strings.Repeat(".", 1<<20),
		"1 MB of parts": strings.Repeat("e30.", 1<<18),
		"1 MB claims":   good[:strings.IndexByte(good, '.')+1] + strings.Repeat("A", 1<<20) + ".AA",
		"1 MB header":   strings.Repeat("A", 1<<20) + ".e30.AA",
		"unknown key":   b64([]byte(`{"alg":"HS256","kid":"x"}`)) + ".e30.AA",
		"a key by jku":  b64([]byte(`{"alg":"HS256","kid":"h","jku":"https://127.0.0.1:1/jwks"}`)) + ".e30.AA",
		"alg none":      b64([]byte(`{"alg":"none","kid":"h"}`)) + ".e30.",
		"RSA, forged":   b64([]byte(`{"alg":"RS256","kid":"r"}`)) + ".e30." + b64(make([]byte, 256)),
		"forged":        long[:len(long)-8] + "AAAAAAAA",
	} {
		if got := spent(token, false); got > most {
			t.Errorf("%s: refused with %d bytes of memory, a good one takes %d", name, got, most)
		}
	}
}
