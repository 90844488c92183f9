"""Runs one peer for `bench.peers`: a line of JSON in, a line of JSON out."""

import importlib.util
import json
import os
import sys
import time


def main() -> None:
    """First line: the arguments of `prepare`; every other: one timed call."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the peer prints is not an answer

    def answer(**fields: object) -> None:
        print(json.dumps(fields), file=answers, flush=True)

    try:
        spec = importlib.util.spec_from_file_location("peer", sys.argv[1])
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["peer"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        run = module.prepare(**json.loads(sys.stdin.readline()))
        answer(version=module.VERSION)
        for line in sys.stdin:
            save = json.loads(line)["save"]
            begin = time.perf_counter()
            result = run()
            seconds = time.perf_counter() - begin
            if save:
                import numpy as np

                np.save(save, result)
            answer(seconds=seconds)
    except Exception as error:  # whatever another program raises is why it is skipped
        answer(error=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")


if __name__ == "__main__":
    main()
