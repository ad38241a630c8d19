package wire_test

import (
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/editlock/editlock/wire"
)

// FuzzDecodeCall: the body of a request over HTTP is refused in words, or means the same when it is written again.
//
// Faults: A2
func FuzzDecodeCall(f *testing.F) {
	for i, s := range []string{
		`{"resource":"article/1","wait":3.5,"nonce":"AAECAwQFBgcICQoLDA0ODw"}`, `{"session":"x"}`, `{"resource":"article/1","session":"x","fence":5,"version":"2"}`,
		`{"resource":"article/1","session":"x"}`, `{"resource":"article/1","version":"2"}`, `{"items":[{"resource":"a","token":"x"},{"resource":"b","fence":1}]}`,
		`{"resource":"article/1","reason":"x"}`, `{"resource":"a","resource":"b"}`, `{"wait":1e400}`, ``, `[]`, `{"items":[[[[[[[[[]]]]]]]]]}`,
	} {
		f.Add(byte(i), []byte(s))
	}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		calls := []func() wire.Call{
			func() wire.Call { return new(wire.AcquireCall) }, func() wire.Call { return new(wire.RenewCall) }, func() wire.Call { return new(wire.ReleaseCall) },
			func() wire.Call { return new(wire.CancelCall) }, func() wire.Call { return new(wire.ChangedCall) }, func() wire.Call { return new(wire.CheckCall) },
			func() wire.Call { return new(wire.ForceCall) },
		}
		fresh := calls[int(kind)%len(calls)]
		c := fresh()
		if refused := wire.DecodeCall(data, c); refused != nil {
			wellRefused(t, refused, nil)
			return
		}
		strict(t, data)
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again := fresh()
		if refused := wire.DecodeCall(text, again); refused != nil || !reflect.DeepEqual(c, again) {
			t.Fatalf("%s, written as %s, became %+v, %v", data, text, again, refused)
		}
	})
}
