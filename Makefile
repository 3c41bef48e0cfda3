# Everything a clone needs, inside the clone: .venv/ build/ install/ log/ out/. The work is done by scripts/.
PYTHON ?= python3
export TORCH_INDEX WEIGHTS
SET_UP = @$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	echo 'Python 3.10 or newer is needed and "$(PYTHON)" is not one. Install it and type: make PYTHON=python3.12 $@' >&2; \
	exit 1; }; exec $(PYTHON) scripts/setup_workspace.py --python "$(PYTHON)"

.PHONY: help demo test lint build weights clean distclean
help:
	@echo 'make demo       set up, render a recording, run it through the nodes, show table and pictures'
	@echo 'make test       set up, then ruff, mypy and all tests'
	@echo 'make lint       set up, then ruff and mypy'
	@echo 'make build      set up only; then ". scripts/env.sh" readies a shell'
	@echo 'make weights    render worlds and train the shipped weights from nothing, for hours; WEIGHTS=jarrn for one'
	@echo 'make clean      remove build/ install/ log/'
	@echo 'make distclean  remove .venv/ and out/ too'
	@echo
	@echo 'PYTHON=python3.12 chooses the interpreter. With a ROS 2 setup.bash sourced, that ROS 2 is used.'
	@echo 'TORCH_INDEX=https://download.pytorch.org/whl/cpu takes the small CPU build of torch.'
demo test lint build weights:
	$(SET_UP) $@
clean:
	rm -rf build install log
distclean: clean
	rm -rf .venv out
