//go:build !mutants

package editlock

// mutant names the known bug that a Manager has: none, but in the simulation's build. See internal/sim.
const mutant = ""
