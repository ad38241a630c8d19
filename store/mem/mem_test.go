package mem_test

import (
	"testing"

	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Engine{
		Place: func(testing.TB) storetest.Open {
			return func() (store.Store, error) { return mem.New(), nil }
		},
		Forgets: true,
	})
}
