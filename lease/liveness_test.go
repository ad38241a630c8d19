package lease

import (
	"reflect"
	"testing"
	"time"
)

func TestNodeRecordRoundTrip(t *testing.T) {
	n := NodeRecord{Started: time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC), Ended: 7, Silences: Silences{
		"b": {Life: 5, Millis: 8500, Changed: true, Marks: []Mark{{Rev: 3}, {Rev: 9, Millis: 4000}}},
	}}
	data, err := EncodeNode(n)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeNode(data)
	if err != nil {
		t.Fatal(err)
	}
	n.V = Version
	if !reflect.DeepEqual(got, n) {
		t.Errorf("got %+v, want %+v\n%s", got, n, data)
	}
	t.Logf("%s", data)
}
