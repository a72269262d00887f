"""The lab in one picture."""

PICTURE = r"""
        dc-host                                           control
           |      Express Connect                            |
          core ===================== vbr --- ecr --- cen --- vpc ------------- ens
         /    \                                             /   \               |
  switch-a    switch-b                               cloud-1     cloud-2      ens-1
      |           |
    lan-a       lan-b
  node-1..3   node-4..5

  data center 172.16.0.0/16, edge pods 10.0.0.0/8    VPC 192.168.0.0/16     172.20.0.0/16
""".strip("\n")
