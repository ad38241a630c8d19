package wire_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/editlock/editlock/wire"
)

// published writes the public half of a key as an application publishes it, with further members.
func published(t testing.TB, kid string, material any, more string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	switch k := material.(type) {
	case *rsa.PrivateKey:
		return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":%q%s}`, kid, b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes()), more)
	case *ecdsa.PrivateKey:
		public, err := k.PublicKey.Bytes() // 4, x, y
		if err != nil {
			t.Fatal(err)
		}
		half := len(public) / 2
		return fmt.Sprintf(`{"kty":"EC","kid":%q,"crv":%q,"x":%q,"y":%q%s}`, kid, k.Curve.Params().Name, b64(public[1:1+half]), b64(public[1+half:]), more)
	case ed25519.PrivateKey:
		return fmt.Sprintf(`{"kty":"OKP","kid":%q,"crv":"Ed25519","x":%q%s}`, kid, b64(k.Public().(ed25519.PublicKey)), more)
	}
	t.Fatalf("a %T is not published", material)
	return ""
}

// Faults: A4, A5
func TestJWKS(t *testing.T) {
	all := signers(t)
	delete(all, "HS256")
	var list []string
	for alg, material := range all {
		list = append(list, published(t, alg, material, fmt.Sprintf(`,"alg":%q,"use":"sig","key_ops":["verify"],"x5u":"https://attacker.example/","later":[1]`, alg)))
	}
	keys, left, err := wire.ParseJWKS([]byte(`{"keys":[` + strings.Join(list, ",") + `],"later":1}`))
	if err != nil || len(left) != 0 || len(keys) != len(all) {
		t.Fatalf("%d keys, %q, %v", len(keys), left, err)
	}
	for alg, material := range all {
		token, err := wire.SignLock(newKey(t, alg, material), aLock)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.VerifyLock(keys, token, noon); err != nil || got != aLock {
			t.Errorf("%s: %+v, %v", alg, got, err)
		}
	}

	r, ed := all["RS256"], all["EdDSA"]
	good := published(t, "good", ed, "")
	weak := `{"kty":"RSA","kid":"weak","n":"` + strings.Repeat("_", 171) + `","e":"AQAB"}`
	huge := `{"kty":"RSA","kid":"huge","n":"` + strings.Repeat("_", 1400) + `","e":"AQAB"}`
	for name, c := range map[string]struct{ key, why string }{
		"a secret":             {`{"kty":"oct","k":"dTNKazB3Lzl2UTFuWnI3VGdZYjJ4TG01UGRIczhjQWU","kid":"s","alg":"HS256"}`, "is a secret"},
		"a secret in disguise": {published(t, "s", ed, `,"k":"AAAA"`), "is a secret"},
		"a private key":        {published(t, "s", r, `,"d":"AAAA"`), "is a private key"},
		"for encryption":       {published(t, "s", r, `,"use":"enc"`), "not for signatures"},
		"for signing":          {published(t, "s", r, `,"key_ops":["sign"]`), "not for checking"},
		"another algorithm":    {published(t, "s", r, `,"alg":"PS256"`), "is for PS256"},
		"a confused one":       {published(t, "s", r, `,"alg":"HS256"`), "is for HS256"},
		"the name of another":  {published(t, "good", r, ""), "one before it"},
		"a long name":          {published(t, strings.Repeat("x", 300), r, ""), "more than 256 bytes"},
		"too weak":             {weak, "too weak"},
		"too strong":           {huge, "at most 8192"},
		"not on its curve":     {`{"kty":"EC","kid":"s","crv":"P-256","x":"AA","y":"AA"}`, "malformed"},
		"an unknown kind":      {`{"kty":"later","kid":"s"}`, "not known here"},
		"no object":            {`7`, "malformed"},
		"a member twice":       {`{"kty":"RSA","kty":"oct"}`, ""}, // of the document as a whole
	} {
		t.Run(name, func(t *testing.T) {
			keys, left, err := wire.ParseJWKS([]byte(`{"keys":[` + good + `,` + c.key + `]}`))
			if c.why == "" {
				if err == nil {
					t.Fatalf("taken: %v", keys)
				}
				return
			}
			if err != nil || len(keys) != 1 || keys[0].ID() != "good" || len(left) != 1 || !strings.Contains(left[0], c.why) {
				t.Fatalf("%d keys, left out: %q, %v", len(keys), left, err)
			}
			if keys, _, err := wire.ParseJWKS([]byte(`{"keys":[` + c.key + `]}`)); c.why != "one before it" && (err == nil || keys != nil) {
				t.Fatalf("alone it is taken: %v", keys)
			}
		})
	}
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "<html>", "a list": "[]", "no keys": `{}`, "keys null": `{"keys":null}`, "keys an object": `{"keys":{}}`, "empty": `{"keys":[]}`,
		"too many": `{"keys":[` + strings.Repeat("1,", 100) + `1]}`, "too long": `{"keys":[` + good + `]}` + strings.Repeat(" ", wire.MaxJWKS),
		"keys twice": `{"keys":[` + good + `],"keys":[` + good + `]}`,
	} {
		if keys, _, err := wire.ParseJWKS([]byte(text)); err == nil || keys != nil || !strings.HasPrefix(err.Error(), "wire: ") {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
}
