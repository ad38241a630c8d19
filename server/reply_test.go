package server

import (
	"fmt"
	"testing"

	"github.com/editlock/editlock"
)

// News that the token does not show wait in nobody's way: else others could cut a client off that never hears of them.
func TestUnseenNewsIsNotHeldBack(t *testing.T) {
	may, err := parseRights([]string{"watch:note/*"})
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{srv: &Server{opts: Options{Outbox: 1}}, identity: &identity{rights: may}}
	c.begin(scope{on: true}) // a watch of everything is under way
	for i := range 100 {
		c.push(editlock.Snapshot{Resource: fmt.Sprint("article/", i), Revision: 1})
	}
	c.push(editlock.Snapshot{Resource: "note/1", Revision: 1})
	if c.closing || c.heldBack == nil || fmt.Sprint(c.heldBack.drain()) != "[note/1 1]" {
		t.Errorf("closing %t, held back %+v; want note/1 alone", c.closing, c.heldBack)
	}
}
