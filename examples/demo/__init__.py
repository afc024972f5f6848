"""Static beside dynamic: two groups read the same topic while their members restart.

    make demo         # on the embedded broker
    make demo-real    # on a real Kafka (Java >= 17, Maven)

`story` tells what happens, `group` starts and stops the members, each of them a process that runs `member`; `ledger`
counts what they read and when, `screen` shows it.
"""
