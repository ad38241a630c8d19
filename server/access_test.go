package server

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/editlock/editlock/wire"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func mustKey(t testing.TB, id string, material any) *wire.Key {
	t.Helper()
	k, err := wire.NewKey(id, material)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func claims(change ...func(map[string]any)) map[string]any {
	m := map[string]any{
		"sub": "7", "name": "Ana", "iss": "app", "aud": "editlock", "exp": noon.Add(time.Minute).Unix(),
		"rights": []string{"edit:article/*"},
	}
	for _, c := range change {
		c(m)
	}
	return m
}

// Faults: A4
func TestAccessTokenAttacks(t *testing.T) {
	secret := []byte("u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h, r := mustKey(t, "h", secret), mustKey(t, "r", rsaKey)
	e, d := mustKey(t, "e", ecKey), mustKey(t, "d", edKey)
	access := Access{Keys: wire.Keys{h, r.Public(), e.Public(), d.Public()}, Issuer: "app", Audience: "editlock"}
	if err := access.check(); err != nil {
		t.Fatal(err)
	}
	sign := func(k *wire.Key, typ string, c any) string {
		t.Helper()
		token, err := k.Sign(typ, c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for _, k := range []*wire.Key{h, r, e, d} {
		id, err := access.verify(sign(k, "JWT", claims()), noon)
		if err != nil || id.user.ID != "7" || id.user.Name != "Ana" || !id.rights.allows("edit", "article/42") {
			t.Fatalf("%s: %+v, %v", k.Algorithm(), id, err)
		}
	}

	b64 := base64.RawURLEncoding.EncodeToString
	body, err := json.Marshal(claims())
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	// raw signs whatever header with HMAC, as an attacker can who has the public key and hopes that it is taken for a secret.
	raw := func(header string, key []byte) string {
		text := b64([]byte(header)) + "." + b64(body)
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return text + "." + b64(m.Sum(nil))
	}
	good := sign(h, "JWT", claims())
	_, sig, _ := strings.Cut(strings.SplitN(good, ".", 2)[1], ".")
	set := func(name string, v any) func(map[string]any) { return func(m map[string]any) { m[name] = v } }
	del := func(name string) func(map[string]any) { return func(m map[string]any) { delete(m, name) } }
	jwt := func(change ...func(map[string]any)) string { return sign(h, "JWT", claims(change...)) }

	attacks := map[string]string{
		"missing":               "",
		"rubbish":               "x",
		"1 MB":                  strings.Repeat("A", 1<<20),
		"1 MB of dots":          strings.Repeat(".", 1<<20),
		"8 KiB and one byte":    good + strings.Repeat("A", wire.MaxToken-len(good)+1),
		"alg none":              b64([]byte(`{"alg":"none","typ":"JWT","kid":"h"}`)) + "." + b64(body) + ".",
		"alg None":              b64([]byte(`{"alg":"None","kid":"h"}`)) + "." + b64(body) + ".",
		"alg none, signed":      raw(`{"alg":"none","kid":"h"}`, secret),
		"alg missing":           raw(`{"kid":"h"}`, secret),
		"alg empty":             raw(`{"alg":"","kid":"h"}`, secret),
		"alg a list":            raw(`{"alg":["HS256"],"kid":"h"}`, secret),
		"alg twice":             raw(`{"alg":"HS256","alg":"none","kid":"h"}`, secret),
		"alg in small letters":  raw(`{"alg":"hs256","kid":"h"}`, secret),
		"alg of another size":   raw(`{"alg":"HS512","kid":"h"}`, secret),
		"RSA key as a secret":   raw(`{"alg":"HS256","kid":"r"}`, public),
		"RSA key as DER secret": raw(`{"alg":"HS256","kid":"r"}`, der),
		"RS256 named, HMAC":     raw(`{"alg":"RS256","kid":"r"}`, public),
		"EC key as a secret":    raw(`{"alg":"HS256","kid":"e"}`, elliptic.MarshalCompressed(ecKey.Curve, ecKey.X, ecKey.Y)),
		"empty secret":          raw(`{"alg":"HS256","kid":"h"}`, nil),
		"unknown kid":           raw(`{"alg":"HS256","kid":"x"}`, secret),
		"no kid":                raw(`{"alg":"HS256"}`, secret),
		"kid a path":            raw(`{"alg":"HS256","kid":"../../../../dev/null"}`, nil),
		"kid an address":        raw(`{"alg":"HS256","kid":"http://attacker.example/key"}`, nil),
		"kid of SQL":            raw(`{"alg":"HS256","kid":"x' UNION SELECT 'a"}`, []byte("a")),
		"kid a number":          raw(`{"alg":"HS256","kid":1}`, secret),
		"jku":                   raw(`{"alg":"HS256","kid":"h","jku":"https://attacker.example/jwks"}`, secret),
		"x5u":                   raw(`{"alg":"HS256","kid":"h","x5u":"https://attacker.example/cert"}`, secret),
		"jwk":                   raw(`{"alg":"HS256","kid":"h","jwk":{"kty":"oct","k":"AA"}}`, secret),
		"crit":                  raw(`{"alg":"HS256","kid":"h","crit":["b64"],"b64":false}`, secret),
		"header twice":          raw(`{"alg":"HS256","kid":"h"}{}`, secret),
		"header no object":      raw(`[]`, secret),
		"signature of another":  b64([]byte(`{"alg":"HS256","kid":"h"}`)) + "." + b64(body) + "." + sig,
		"signature empty":       strings.TrimSuffix(good, sig),
		"a stranger":            sign(mustKey(t, "e", func() any { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k }()), "JWT", claims()),
		"ECDSA of zeros":        b64([]byte(`{"alg":"ES256","kid":"e"}`)) + "." + b64(body) + "." + b64(make([]byte, 64)),
		"a lock token":          sign(h, "editlock-lock+jwt", claims()),
		"an ID token":           sign(h, "id_token", claims()),
		"nested":                sign(h, "JWT", claims(set("sub", map[string]any{"x": 1}))),
		"expired":               jwt(set("exp", noon.Unix())),
		"long expired":          jwt(set("exp", 1)),
		"no exp":                jwt(del("exp")),
		"exp null":              jwt(set("exp", nil)),
		"exp as text":           jwt(set("exp", "9999999999")),
		"exp negative":          jwt(set("exp", -1)),
		"exp beyond all time":   jwt(set("exp", 1e300)),
		"not yet":               jwt(set("nbf", noon.Add(time.Minute).Unix())),
		"no aud":                jwt(del("aud")),
		"wrong aud":             jwt(set("aud", "other")),
		"aud in part":           jwt(set("aud", "editlock2")),
		"aud a list of others":  jwt(set("aud", []string{"a", "b"})),
		"aud an object":         jwt(set("aud", map[string]any{"editlock": true})),
		"no iss":                jwt(del("iss")),
		"wrong iss":             jwt(set("iss", "https://app.example")),
		"iss a list":            jwt(set("iss", []string{"app"})),
		"no sub":                jwt(del("sub")),
		"sub empty":             jwt(set("sub", "")),
		"sub a number":          jwt(set("sub", 7)),
		"sub endless":           jwt(set("sub", strings.Repeat("x", 256))),
		"rights as text":        jwt(set("rights", "edit:**")),
		"right without verb":    jwt(set("rights", []string{"**"})),
		"** in the middle":      jwt(set("rights", []string{"edit:**/x"})),
		"* in a segment":        jwt(set("rights", []string{"edit:art*"})),
		"empty pattern":         jwt(set("rights", []string{"edit:"})),
	}
	for name, token := range attacks {
		t.Run(name, func(t *testing.T) {
			id, err := access.verify(token, noon)
			if !errors.Is(err, wire.ErrBadToken) {
				t.Fatalf("got %+v, %v", id, err)
			}
			if want := strings.HasSuffix(name, "expired"); errors.Is(err, wire.ErrExpired) != want {
				t.Errorf("%v; is it told that a new token helps? want %t", err, want)
			}
			if len(err.Error()) > 300 {
				t.Errorf("an answer of %d bytes", len(err.Error()))
			}
		})
	}

	for name, token := range map[string]string{
		"aud a list":           jwt(set("aud", []string{"a", "editlock"})),
		"no typ":               sign(h, "", claims()),
		"typ at+jwt":           sign(h, "AT+JWT", claims()),
		"no name":              jwt(del("name")),
		"no rights":            jwt(del("rights")),
		"a verb of tomorrow":   jwt(set("rights", []string{"fly:article/*"})),
		"exp with a fraction":  jwt(set("exp", float64(noon.Unix())+0.5)),
		"a clock 3 s ahead":    jwt(set("nbf", noon.Add(3*time.Second).Unix())),
		"claims not known yet": jwt(set("tenant", map[string]any{"a": []int{1}})),
	} {
		if _, err := access.verify(token, noon); err != nil {
			t.Errorf("%s: refused: %v", name, err)
		}
	}
}

// Faults: A4
func TestOneKeyNeedsNoName(t *testing.T) {
	secret := []byte("u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe")
	for _, ids := range [][2]string{{"", ""}, {"", "app"}, {"app", ""}, {"app", "app"}} {
		access := Access{Keys: wire.Keys{mustKey(t, ids[0], secret)}, Issuer: "app", Audience: "editlock"}
		token, err := mustKey(t, ids[1], secret).Sign("JWT", claims())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := access.verify(token, noon); err != nil {
			t.Errorf("key %q, token %q: %v", ids[0], ids[1], err)
		}
	}
}

// Whoever makes a token wrong is told which part of it, once its signature is good.
func TestWhatIsWrongWithAToken(t *testing.T) {
	key := mustKey(t, "", []byte("u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe"))
	other := mustKey(t, "", []byte("vZ9rQm2tYw6bXc4eUf8hJk1nLp3sAg5d"))
	access := Access{Keys: wire.Keys{key}, Issuer: "app", Audience: "editlock"}
	for want, c := range map[string]struct {
		key  *wire.Key
		name string
		v    any
	}{
		"not in seconds since 1970":           {key, "exp", noon.UnixMilli()},
		"has no time of expiry":               {key, "exp", 0},
		`its claim "sub" has a value`:         {key, "sub", 7},
		`its claim "rights/0" has a value`:    {key, "rights", []int{1}},
		`(iss) is "shop"; the one that is co`: {key, "iss", "shop"},
		`(aud) is ["shop"]; the one that is`:  {key, "aud", []string{"shop"}},
		"made with another key":               {other, "name", "Ana"},
	} {
		token, err := c.key.Sign("JWT", claims(func(m map[string]any) { m[c.name] = c.v }))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := access.verify(token, noon); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	if got := unknownVerb([]string{"edit:article/*", "write:article/*"}); got != "write:article/*" {
		t.Errorf("unknown: %q", got)
	}
}

func TestAccessMustBeConfigured(t *testing.T) {
	key := mustKey(t, "a", []byte("u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe"))
	for name, a := range map[string]Access{
		"nothing":     {},
		"no key":      {Issuer: "app", Audience: "editlock"},
		"no issuer":   {Keys: wire.Keys{key}, Audience: "editlock"},
		"no audience": {Keys: wire.Keys{key}, Issuer: "app"},
		"one id":      {Keys: wire.Keys{key, key}, Issuer: "app", Audience: "editlock"},
		"a nil key":   {Keys: wire.Keys{nil}, Issuer: "app", Audience: "editlock"},
	} {
		if a.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRights(t *testing.T) {
	for _, c := range []struct {
		right, verb, resource string
		want                  bool
	}{
		{"edit:article/*", "edit", "article/42", true},
		{"edit:article/*", "watch", "article/42", true},
		{"watch:article/*", "edit", "article/42", false},
		{"take_over:article/*", "edit", "article/42", false},
		{"edit:article/*", "edit", "article", false},
		{"edit:article/*", "edit", "article/42/notes", false},
		{"edit:article/*", "edit", "articles/42", false},
		{"edit:article/*/notes", "edit", "article/42/notes", true},
		{"edit:article/*/notes", "edit", "article/42/other", false},
		{"edit:article/**", "edit", "article", false},
		{"edit:article/**", "edit", "article/42", true},
		{"edit:article/**", "edit", "article/42/notes/1", true},
		{"edit:*/42", "edit", "article/42", true},
		{"edit:*", "edit", "article", true},
		{"edit:*", "edit", "article/42", false},
		{"edit:**", "edit", "article", true},
		{"edit:**", "edit", "article/42/notes", true},
		{"edit:article/42", "edit", "article/42", true},
		{"edit:article/42", "edit", "article/421", false},
		{"edit:cafe\u0301/*", "edit", "caf\u00e9/1", true},
		{"edit:Article/*", "edit", "article/42", false},
		{"edit:a:b/*", "edit", "a:b/1", true},
		{"administer:article/*", "watch", "article/42", true},
		{"administer:article/*", "watch", "note/42", false},
		{"administer:**", "edit", "article/42", false},
		{"take_over:**", "watch", "article/42", false},
	} {
		rs, err := parseRights([]string{c.right})
		if err != nil {
			t.Fatal(c.right, err)
		}
		if got := rs.allows(c.verb, c.resource); got != c.want {
			t.Errorf("%s: %s %s: %t", c.right, c.verb, c.resource, got)
		}
	}
	for _, c := range []struct {
		right, prefix string
		want          bool
	}{
		{"watch:article/*", "", true},
		{"watch:article/*", "article/", true},
		{"watch:article/*", "article/42/", false},
		{"watch:article/*", "note/", false},
		{"watch:article/42", "article/", true},
		{"watch:article/42", "article/42/", false},
		{"watch:article/**", "article/42/notes/", true},
		{"watch:article/**", "article/", true},
		{"watch:**", "", true},
		{"watch:*/notes", "article/", true},
		{"edit:article/*", "article/", true},
		{"administer:article/*", "", true},
		{"administer:article/*", "note/", false},
		{"take_over:**", "", false},
	} {
		rs, err := parseRights([]string{c.right})
		if err != nil {
			t.Fatal(c.right, err)
		}
		if got := rs.some("watch", c.prefix); got != c.want {
			t.Errorf("%s: some of %q: %t", c.right, c.prefix, got)
		}
	}
	for _, c := range []struct {
		rights       []string
		prefix, want string
	}{
		{[]string{"edit:article/*"}, "", "article/"},
		{[]string{"edit:article/*"}, "article/", "article/"},
		{[]string{"edit:a/b/**"}, "a/", "a/b/"},
		{[]string{"edit:a/**"}, "a/b/c/", "a/b/c/"},
		{[]string{"edit:a/b/c"}, "", "a/b/"},
		{[]string{"edit:a"}, "", ""},
		{[]string{"edit:**"}, "", ""},
		{[]string{"edit:*/notes"}, "", ""},
		{[]string{"edit:a/b/*", "watch:a/bc/*"}, "", "a/"},
		{[]string{"edit:a/*", "watch:b/*"}, "", ""},
		{[]string{"edit:a/*", "watch:b/*"}, "b/", "b/"},
		{[]string{"edit:a/x/*", "watch:b/*"}, "a/", "a/x/"},
		{[]string{"edit:a/*", "take_over:**"}, "", "a/"},
		{nil, "a/", "a/"},
	} {
		rs, err := parseRights(c.rights)
		if err != nil {
			t.Fatal(err)
		}
		if got := rs.below("watch", c.prefix); got != c.want {
			t.Errorf("%q below %q: %q, want %q", c.rights, c.prefix, got, c.want)
		}
	}
	if rights(nil).allows("watch", "a") || rights(nil).some("watch", "") {
		t.Error("a token without rights gives one")
	}
}

// Faults: A13
func TestNamesThatPretend(t *testing.T) {
	for in, want := range map[string]string{
		"Ana":                             "Ana",
		"  Ana\r\nBen ":                   "AnaBen",
		"A\u202ena":                       "Ana",
		"\u2066Ana\u2069":                 "Ana",
		"<script>alert(1)</script>":       "<script>alert(1)</script>",
		"\x1b[31mAna":                     "[31mAna",
		"نیم\u200cفاصله":                  "نیم\u200cفاصله",
		strings.Repeat("é", 101):          strings.Repeat("é", 100) + "…",
		"\u200f\u200e":                    "",
		strings.Repeat("é", 100) + "\x00": strings.Repeat("é", 100),
	} {
		if got := cleanName(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
