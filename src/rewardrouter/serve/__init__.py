"""The gateway: routing as a service, for trainers that are not ours.

    HTTP -> worker (one thread) -> engine (annotator, what it learns, what is remembered)
                 |                     |
              journal  <----------- events        on disk before anything is acknowledged

:mod:`rewardrouter.serve.engine` is the state and what changes it, :mod:`rewardrouter.serve.store` keeps it,
:mod:`rewardrouter.serve.app` is the HTTP side.
"""
