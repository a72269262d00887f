"""The cloud port on Aliyun's OpenAPI: ECS with its VPC, and ENS; instance metadata and credentials beside it.

    ecs, ens          the two clouds: which actions make up a verb of the port, and what may be repeated
    client            one call: budget, transport, repetition until the deadline
    transport         the vendor's SDK, which nothing else imports
    requests          actions and how each of their parameters travels
    answers, *_shapes what comes back, typed
    failures          what the API refuses, as causes and advice
    opening           settings to a cloud that is ready

Only processes of cloud and ENS nodes import any of it.
"""
